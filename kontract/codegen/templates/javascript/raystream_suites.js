// The cipher suites, and what seals with a key, an IV and a number.
import { KontractError } from "./errors.js";
import { $getSubtle, $KEY_BYTES } from "./raystream_crypto.js";
import { $forged } from "./raystream_errors.js";
export const $TAG_BYTES = 16;
export const $IV_BYTES = 12;
export const $AES_GCM = { id: 2, name: "AESGCM", makeAead: (key) => $importAead("raw", "AES-GCM", key) };
const $CHACHA = {
    id: 1,
    name: "ChaChaPoly",
    makeAead: (key) => $importAead("raw-secret", "ChaCha20-Poly1305", key),
};
/** Returns suite 1 of @noble/ciphers, for where WebCrypto lacks it. */
export function $makeChacha(chacha) {
    return {
        ...$CHACHA,
        makeAead: async (key) => ({
            seal: async (nonce, plaintext, associated) => chacha(key, nonce, associated).encrypt(plaintext),
            open: async (nonce, sealed, associated) => {
                try {
                    return chacha(key, nonce, associated).decrypt(sealed);
                }
                catch (error) {
                    throw $forged(error);
                }
            },
        }),
    };
}
async function $importAead(format, name, raw) {
    const subtle = $getSubtle();
    const key = await subtle.importKey(format, raw, name, false, ["encrypt", "decrypt"]);
    const describe = (iv, additionalData) => ({ name, iv, additionalData, tagLength: 128 });
    return {
        seal: async (nonce, plaintext, associated) => new Uint8Array(await subtle.encrypt(describe(nonce, associated), key, plaintext)),
        open: async (nonce, sealed, associated) => {
            try {
                return new Uint8Array(await subtle.decrypt(describe(nonce, associated), key, sealed));
            }
            catch (error) {
                throw $forged(error);
            }
        },
    };
}
/** Returns the first of the pinned suites that can be had here. */
export async function $chooseSuite({ suites, chacha20poly1305 }) {
    for (const id of suites) {
        if (id === $AES_GCM.id)
            return $AES_GCM;
        if (id !== $CHACHA.id)
            continue;
        if (await $hasChacha())
            return $CHACHA;
        if (chacha20poly1305 !== undefined)
            return $makeChacha(chacha20poly1305);
    }
    throw new KontractError(`crypto.subtle has none of the suites [${suites.join(", ")}] here. Pass chacha20poly1305 of @noble/ciphers: ` +
        "configure({ raystream: { ...raystreamPins, chacha20poly1305 } }).", "channel_unsupported");
}
function $hasChacha() {
    return $CHACHA.makeAead(new Uint8Array($KEY_BYTES)).then(() => true, () => false);
}
/** A key with its IV: message `n` is sealed under the nonce IV XOR n. */
export class $Cipher {
    #aead;
    #iv;
    constructor(aead, iv) {
        this.#aead = aead;
        this.#iv = iv;
    }
    static async make(suite, keyAndIv) {
        return new $Cipher(await suite.makeAead(keyAndIv.slice(0, $KEY_BYTES)), keyAndIv.slice($KEY_BYTES));
    }
    /** Nobody seals twice under one number. */
    seal(number, plaintext, associated) {
        return this.#aead.seal(this.#makeNonce(number), plaintext, associated);
    }
    open(number, sealed, associated) {
        return this.#aead.open(this.#makeNonce(number), sealed, associated);
    }
    #makeNonce(number) {
        const nonce = this.#iv.slice();
        const view = new DataView(nonce.buffer);
        view.setUint32(4, view.getUint32(4) ^ Math.floor(number / 2 ** 32));
        view.setUint32(8, view.getUint32(8) ^ number % 2 ** 32);
        return nonce;
    }
}
