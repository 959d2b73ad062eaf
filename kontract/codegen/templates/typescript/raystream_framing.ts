// How the pieces of a response lie on the wire: first header and salt, then the chunks. Lengths and lines only carry.

import { $fromBase64 } from "./json.ts";
import { $join, $readU32 } from "./raystream_bytes.ts";
import { $forged } from "./raystream_errors.ts";
import { $HEADER_BYTES, $SALT_BYTES } from "./raystream_frames.ts";
import { $TAG_BYTES } from "./raystream_suites.ts";

export const $PREFIX_BYTES = $HEADER_BYTES + $SALT_BYTES;
export const $CHUNK_OVERHEAD = 1 + $TAG_BYTES; // "final", and the tag

/** Returns all pieces that are complete now. */
export interface $Framing {
  feed(data: Uint8Array): Uint8Array[];
}

/** Returns what reads the outer content type; undefined for another one. `largest`: the bytes that a piece may have. */
export function $chooseFraming(type: string | null, largest: number): $Framing | undefined {
  const kind = type?.split(";")[0]?.trim();
  if (kind === "application/raystream") return new $Lengths(largest);
  return kind === "text/event-stream" ? new $Lines(largest) : undefined;
}

/** `application/raystream`: the first piece as it is, then each chunk after its length (u32). */
class $Lengths implements $Framing {
  readonly #largest: number;
  #rest = new Uint8Array(0);
  #isFirst = true;

  constructor(largest: number) {
    this.#largest = largest;
  }

  feed(data: Uint8Array): Uint8Array[] {
    const buffer = this.#rest.length === 0 ? data : $join(this.#rest, data);
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const piece = this.#take(buffer.subarray(at));
      if (piece === undefined) break;
      at += piece.length + (this.#isFirst ? 0 : 4);
      this.#isFirst = false;
      pieces.push(piece);
    }
    this.#rest = buffer.slice(at) as never; // TypeScript 5.7 tells bytes by what they are kept in
    return pieces;
  }

  #take(buffer: Uint8Array): Uint8Array | undefined {
    if (this.#isFirst) return buffer.length < $PREFIX_BYTES ? undefined : buffer.slice(0, $PREFIX_BYTES);
    if (buffer.length < 4) return undefined;
    const length = $readU32(buffer, 0);
    if (length < $CHUNK_OVERHEAD || length > this.#largest) throw $forged();
    return buffer.length < 4 + length ? undefined : buffer.slice(4, 4 + length);
  }
}

const $DATA = "data:";

/** `text/event-stream`: a `data:` line in base64 for each piece; what a proxy may put between is passed over. */
class $Lines implements $Framing {
  readonly #longest: number;
  readonly #decoder = new TextDecoder("latin1"); // which keeps each byte a character, as is needed to count them
  #rest = "";

  constructor(largest: number) {
    this.#longest = $DATA.length + 2 + 4 * (Math.floor(largest / 3) + 1);
  }

  feed(data: Uint8Array): Uint8Array[] {
    const lines = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > this.#longest) throw $forged();
    return lines.filter((line) => line.startsWith($DATA)).map((line) => this.#read(line));
  }

  #read(line: string): Uint8Array {
    const text = line.slice($DATA.length).replace(/^[ \r]+|[ \r]+$/g, "");
    if (line.length > this.#longest || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
      throw $forged();
    return $fromBase64(text);
  }
}
