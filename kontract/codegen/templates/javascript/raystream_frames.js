// The messages as bytes. Each begins with 28 bytes: version, type, suite, flags, session id 16, number u64.
import { $isSame, $join, $readU32, $toBytes } from "./raystream_bytes.js";
import { $KEY_BYTES } from "./raystream_crypto.js";
import { $forged } from "./raystream_errors.js";
import { $TAG_BYTES } from "./raystream_suites.js";
export const $HEADER_BYTES = 28;
export const $SID_BYTES = 16;
export const $SALT_BYTES = 32;
export const $KID_BYTES = 8;
const $VERSION = 1;
const $INIT = 1;
const $ACCEPT = 2;
const $RESUME = 3;
const $REQUEST = 0x10;
const $RESPONSE = 0x11;
const $RESET = 0x7f;
const $NO_SID = new Uint8Array($SID_BYTES);
const $LIMITS_BYTES = 20;
const $ACCEPT_BYTES = $HEADER_BYTES + $KEY_BYTES + $SID_BYTES + $LIMITS_BYTES + $TAG_BYTES;
function $packHeader(type, suite, sid, seq) {
    return $join(Uint8Array.of($VERSION, type, suite, 0), sid, $toBytes(seq, 8));
}
/** The one answer to everything that is not authentic. */
export function $isReset(message) {
    return $isSame(message, $packHeader($RESET, 0, $NO_SID, 0));
}
/** Returns INIT, or with the session that is resumed, RESUME. */
export function $packOpening(suite, kid, offer, noise, old) {
    const header = $packHeader(old === undefined ? $INIT : $RESUME, suite.id, old ?? $NO_SID, 0);
    return $join(header, kid, Uint8Array.of(offer.length, ...offer), noise);
}
/** Takes ACCEPT of this suite apart, into the session's id and Noise's message 2. */
export function $readAccept(message, suite) {
    const sid = message.slice(4, 4 + $SID_BYTES);
    const header = $packHeader($ACCEPT, suite.id, sid, 0);
    const isAccept = message.length === $ACCEPT_BYTES && $isSame(message.slice(0, $HEADER_BYTES), header);
    if (!isAccept || $isSame(sid, $NO_SID))
        throw $forged();
    return { sid, noise: message.slice($HEADER_BYTES) };
}
export function $packRequestHeader(suite, sid, seq) {
    return $packHeader($REQUEST, suite.id, sid, seq);
}
export function $packResponseHeader(suite, sid, seq) {
    return $packHeader($RESPONSE, suite.id, sid, seq);
}
const $HIGHEST = [300, 3600, 2 ** 20, 2 ** 24, 2 ** 16];
const $LOWEST = [1, 1, 1, 1024, 1024]; // a frame and a chunk must hold a head
/** Reads the limits that a server tells; refuses those beyond the protocol's. */
export function $readLimits(bytes) {
    if (bytes.length !== $LIMITS_BYTES)
        throw $forged();
    const [idle = 0, absolute = 0, requests = 0, frame = 0, chunk = 0] = $HIGHEST.map((highest, index) => {
        const value = $readU32(bytes, 4 * index);
        if (value > highest || value < ($LOWEST[index] ?? 0))
            throw $forged();
        return value;
    });
    return { idle, absolute, requests, frame, chunk };
}
