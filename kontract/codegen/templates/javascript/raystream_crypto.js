// The primitives, as WebCrypto has them: SHA-256, HKDF and X25519.
import { KontractError } from "./errors.js";
import { $forged } from "./raystream_errors.js";
export const $KEY_BYTES = 32;
export function $getSubtle() {
    const { subtle } = globalThis.crypto;
    if (subtle === undefined)
        throw new KontractError("Without cryptography there is no encrypted channel. Browsers give it to pages of https and of localhost only.", "channel_unsupported");
    return subtle;
}
export async function $sha256(data) {
    return new Uint8Array(await $getSubtle().digest("SHA-256", data));
}
/** Makes a secret one that HKDF takes, and that nobody reads again. */
export function $importSecret(secret) {
    return $getSubtle().importKey("raw", secret, "HKDF", false, ["deriveBits"]);
}
/** HKDF with SHA-256 (RFC 5869), both of its steps. */
export async function $hkdf(salt, secret, info, length) {
    const algorithm = { name: "HKDF", hash: "SHA-256", salt, info };
    return new Uint8Array(await $getSubtle().deriveBits(algorithm, secret, 8 * length));
}
export async function $makeKeyPair() {
    const subtle = $getSubtle();
    try {
        const pair = await subtle.generateKey("X25519", false, ["deriveBits"]);
        return { secret: pair.privateKey, public: new Uint8Array(await subtle.exportKey("raw", pair.publicKey)) };
    }
    catch (error) {
        const detail = "The encrypted channel needs X25519, which crypto.subtle lacks here: update the browser or runtime.";
        throw new KontractError(detail, "channel_unsupported", { cause: error });
    }
}
/** Returns what two keys of X25519 have in common; refuses points of small order, with which that is always zero. */
export async function $agree(secret, theirs) {
    const subtle = $getSubtle();
    try {
        const point = await subtle.importKey("raw", theirs, "X25519", true, []);
        const shared = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: point }, secret, 8 * $KEY_BYTES));
        if (shared.some((byte) => byte !== 0))
            return shared;
    }
    catch (error) {
        throw $forged(error);
    }
    throw $forged();
}
