// Noise NK and NKpsk0 with 25519 and SHA-256 (https://noiseprotocol.org/noise.html), the initiator's half.
//
//   NK:  <- s        NKpsk0:  <- s
//        -> e, es             -> psk, e, es
//        <- e, ee             <- e, ee
//
// Each key of these patterns seals one message only, so each nonce is 0, which all of Noise's AEADs write as zeros.
import { $encodeText, $join } from "./raystream_bytes.js";
import { $agree, $hkdf, $importSecret, $KEY_BYTES, $sha256 } from "./raystream_crypto.js";
import { $IV_BYTES } from "./raystream_suites.js";
const $HASH_BYTES = 32;
const $NOTHING = new Uint8Array(0);
const $NONCE = new Uint8Array($IV_BYTES);
/** The chaining key, the running hash, and the key of the next message: Noise's SymmetricState. */
class $Symmetric {
    #suite;
    #chain;
    #key = $NOTHING;
    hash;
    constructor(suite, start) {
        this.#suite = suite;
        this.#chain = this.hash = start;
    }
    async mixHash(data) {
        this.hash = await $sha256($join(this.hash, data));
    }
    async mixKey(secret) {
        const output = await this.#derive(secret, 2);
        this.#chain = output.slice(0, $KEY_BYTES);
        this.#key = output.slice($KEY_BYTES);
    }
    async mixKeyAndHash(secret) {
        const output = await this.#derive(secret, 3);
        this.#chain = output.slice(0, $KEY_BYTES);
        this.#key = output.slice(2 * $KEY_BYTES);
        await this.mixHash(output.slice($KEY_BYTES, 2 * $KEY_BYTES));
    }
    async seal(payload) {
        const aead = await this.#suite.makeAead(this.#key);
        const sealed = await aead.seal($NONCE, payload, this.hash);
        await this.mixHash(sealed);
        return sealed;
    }
    async open(sealed) {
        const aead = await this.#suite.makeAead(this.#key);
        const payload = await aead.open($NONCE, sealed, this.hash);
        await this.mixHash(sealed);
        return payload;
    }
    async finish() {
        return { keys: await this.#derive($NOTHING, 2), hash: this.hash };
    }
    async #derive(secret, keys) {
        return $hkdf(this.#chain, await $importSecret(secret), $NOTHING, keys * $KEY_BYTES);
    }
}
/** The client's half of a handshake. */
export class $Initiator {
    #beginning;
    #symmetric;
    constructor(beginning, symmetric) {
        this.#beginning = beginning;
        this.#symmetric = symmetric;
    }
    static async begin(beginning) {
        const { suite, prologue, theirs, psk } = beginning;
        const name = $encodeText(`Noise_NK${psk === undefined ? "" : "psk0"}_25519_${suite.name}_SHA256`);
        const isShort = name.length <= $HASH_BYTES;
        const start = isShort ? $join(name, new Uint8Array($HASH_BYTES - name.length)) : await $sha256(name);
        const symmetric = new $Symmetric(suite, start);
        await symmetric.mixHash(prologue);
        await symmetric.mixHash(theirs);
        if (psk !== undefined)
            await symmetric.mixKeyAndHash(psk);
        return new $Initiator(beginning, symmetric);
    }
    /** Returns message 1: the ephemeral key, and the sealed payload. */
    async write(payload) {
        const { ephemeral, theirs } = this.#beginning;
        await this.#mixEphemeral(ephemeral.public);
        await this.#symmetric.mixKey(await $agree(ephemeral.secret, theirs));
        return $join(ephemeral.public, await this.#symmetric.seal(payload));
    }
    /** Returns the payload of message 2. */
    async read(message) {
        const theirs = message.slice(0, $KEY_BYTES);
        await this.#mixEphemeral(theirs);
        await this.#symmetric.mixKey(await $agree(this.#beginning.ephemeral.secret, theirs));
        return this.#symmetric.open(message.slice($KEY_BYTES));
    }
    finish() {
        return this.#symmetric.finish();
    }
    async #mixEphemeral(key) {
        await this.#symmetric.mixHash(key);
        if (this.#beginning.psk !== undefined)
            await this.#symmetric.mixKey(key);
    }
}
