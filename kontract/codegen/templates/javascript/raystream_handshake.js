// The handshake: INIT or RESUME goes to the server, whose ACCEPT gives a session.
import { $fromBase64 } from "./json.js";
import { $encodeText, $isSame } from "./raystream_bytes.js";
import { $KEY_BYTES, $makeKeyPair, $sha256 } from "./raystream_crypto.js";
import { $forged } from "./raystream_errors.js";
import { $KID_BYTES, $packOpening, $readAccept, $readLimits, $SID_BYTES } from "./raystream_frames.js";
import { $Initiator } from "./raystream_noise.js";
import { $makePrologue, $Secrets } from "./raystream_schedule.js";
const $PADDING = new Uint8Array(32); // nothing of the application goes with a handshake
/** Reads the pins; a TypeError where no handshake can be made with them. */
export function $readPins({ audience, keys, suites }, suite) {
    const pins = { audience: $encodeText(audience), keys: keys.map($fromBase64), offer: suites, suite };
    const hasKeys = pins.keys.length > 0 && pins.keys.every(({ length }) => length === $KEY_BYTES);
    const isNamed = pins.audience.length > 0 && pins.audience.length < 2 ** 16;
    if (!hasKeys || !isNamed || new Set(suites).size !== suites.length)
        throw new TypeError("raystream takes an audience, keys of 32 bytes in base64, and suites, as kontract_keys prints.");
    return pins;
}
/** One attempt to get a session: `opening` goes to the server, whose answer `finish` takes. */
export class $Handshake {
    #suite;
    #noise;
    opening;
    constructor(suite, noise, opening) {
        this.#suite = suite;
        this.#noise = noise;
        this.opening = opening;
    }
    /** Begins with one of the pinned keys; with `old`, the new session takes the place of that one. */
    static async begin({ audience, offer, suite }, theirs, old, ephemeral) {
        const kid = (await $sha256(theirs)).slice(0, $KID_BYTES);
        const prologue = $makePrologue(audience, offer, suite, kid);
        const fresh = ephemeral ?? (await $makeKeyPair());
        const noise = await $Initiator.begin({ suite, prologue, theirs, ephemeral: fresh, psk: old?.resume });
        const opening = $packOpening(suite, kid, offer, await noise.write($PADDING), old?.sid);
        return new $Handshake(suite, noise, opening);
    }
    async finish(accept) {
        const { sid, noise } = $readAccept(accept, this.#suite);
        const payload = await this.#noise.read(noise);
        if (!$isSame(payload.slice(0, $SID_BYTES), sid))
            throw $forged();
        const limits = $readLimits(payload.slice($SID_BYTES));
        return { secrets: await $Secrets.derive(this.#suite, sid, await this.#noise.finish()), limits };
    }
}
