// How the pieces of a response lie on the wire: first header and salt, then the chunks. Lengths and lines only carry.
import { $fromBase64 } from "./json.js";
import { $join, $readU32 } from "./raystream_bytes.js";
import { $forged } from "./raystream_errors.js";
import { $HEADER_BYTES, $SALT_BYTES } from "./raystream_frames.js";
import { $TAG_BYTES } from "./raystream_suites.js";
export const $PREFIX_BYTES = $HEADER_BYTES + $SALT_BYTES;
export const $CHUNK_OVERHEAD = 1 + $TAG_BYTES; // "final", and the tag
/** Returns what reads the outer content type; undefined for another one. `largest`: the bytes that a piece may have. */
export function $chooseFraming(type, largest) {
    const kind = type?.split(";")[0]?.trim();
    if (kind === "application/raystream")
        return new $Lengths(largest);
    return kind === "text/event-stream" ? new $Lines(largest) : undefined;
}
/** `application/raystream`: the first piece as it is, then each chunk after its length (u32). */
class $Lengths {
    #largest;
    #rest = new Uint8Array(0);
    #isFirst = true;
    constructor(largest) {
        this.#largest = largest;
    }
    feed(data) {
        const buffer = this.#rest.length === 0 ? data : $join(this.#rest, data);
        const pieces = [];
        let at = 0;
        for (;;) {
            const piece = this.#take(buffer.subarray(at));
            if (piece === undefined)
                break;
            at += piece.length + (this.#isFirst ? 0 : 4);
            this.#isFirst = false;
            pieces.push(piece);
        }
        this.#rest = buffer.slice(at); // TypeScript 5.7 tells bytes by what they are kept in
        return pieces;
    }
    #take(buffer) {
        if (this.#isFirst)
            return buffer.length < $PREFIX_BYTES ? undefined : buffer.slice(0, $PREFIX_BYTES);
        if (buffer.length < 4)
            return undefined;
        const length = $readU32(buffer, 0);
        if (length < $CHUNK_OVERHEAD || length > this.#largest)
            throw $forged();
        return buffer.length < 4 + length ? undefined : buffer.slice(4, 4 + length);
    }
}
const $DATA = "data:";
/** `text/event-stream`: a `data:` line in base64 for each piece; what a proxy may put between is passed over. */
class $Lines {
    #longest;
    #decoder = new TextDecoder("latin1"); // which keeps each byte a character, as is needed to count them
    #rest = "";
    constructor(largest) {
        this.#longest = $DATA.length + 2 + 4 * (Math.floor(largest / 3) + 1);
    }
    feed(data) {
        const lines = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
        this.#rest = lines.pop() ?? "";
        if (this.#rest.length > this.#longest)
            throw $forged();
        return lines.filter((line) => line.startsWith($DATA)).map((line) => this.#read(line));
    }
    #read(line) {
        const text = line.slice($DATA.length).replace(/^[ \r]+|[ \r]+$/g, "");
        if (line.length > this.#longest || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
            throw $forged();
        return $fromBase64(text);
    }
}
