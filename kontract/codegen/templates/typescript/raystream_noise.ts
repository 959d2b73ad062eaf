// Noise NK and NKpsk0 with 25519 and SHA-256 (https://noiseprotocol.org/noise.html), the initiator's half.
//
//   NK:  <- s        NKpsk0:  <- s
//        -> e, es             -> psk, e, es
//        <- e, ee             <- e, ee
//
// Each key of these patterns seals one message only, so each nonce is 0, which all of Noise's AEADs write as zeros.

import { $encodeText, $join } from "./raystream_bytes.ts";
import { $agree, $hkdf, $importSecret, $KEY_BYTES, $sha256, type $KeyPair } from "./raystream_crypto.ts";
import { $IV_BYTES, type $Suite } from "./raystream_suites.ts";

const $HASH_BYTES = 32;
const $NOTHING = new Uint8Array(0);
const $NONCE = new Uint8Array($IV_BYTES);

/** What a handshake is begun with. `psk` makes it NKpsk0; `ephemeral` is fresh for each. */
export interface $Beginning {
  readonly suite: $Suite;
  readonly prologue: Uint8Array;
  readonly theirs: Uint8Array;
  readonly ephemeral: $KeyPair;
  readonly psk?: Uint8Array | undefined;
}

/** What a handshake gives: the initiator's key, then the responder's, and the hash of all that was said. */
export interface $Finished {
  readonly keys: Uint8Array;
  readonly hash: Uint8Array;
}

/** The chaining key, the running hash, and the key of the next message: Noise's SymmetricState. */
class $Symmetric {
  readonly #suite: $Suite;
  #chain: Uint8Array;
  #key = $NOTHING;
  hash: Uint8Array;

  constructor(suite: $Suite, start: Uint8Array) {
    this.#suite = suite;
    this.#chain = this.hash = start;
  }

  async mixHash(data: Uint8Array): Promise<void> {
    this.hash = await $sha256($join(this.hash, data));
  }

  async mixKey(secret: Uint8Array): Promise<void> {
    const output = await this.#derive(secret, 2);
    this.#chain = output.slice(0, $KEY_BYTES);
    this.#key = output.slice($KEY_BYTES);
  }

  async mixKeyAndHash(secret: Uint8Array): Promise<void> {
    const output = await this.#derive(secret, 3);
    this.#chain = output.slice(0, $KEY_BYTES);
    this.#key = output.slice(2 * $KEY_BYTES);
    await this.mixHash(output.slice($KEY_BYTES, 2 * $KEY_BYTES));
  }

  async seal(payload: Uint8Array): Promise<Uint8Array> {
    const aead = await this.#suite.makeAead(this.#key);
    const sealed = await aead.seal($NONCE, payload, this.hash);
    await this.mixHash(sealed);
    return sealed;
  }

  async open(sealed: Uint8Array): Promise<Uint8Array> {
    const aead = await this.#suite.makeAead(this.#key);
    const payload = await aead.open($NONCE, sealed, this.hash);
    await this.mixHash(sealed);
    return payload;
  }

  async finish(): Promise<$Finished> {
    return { keys: await this.#derive($NOTHING, 2), hash: this.hash };
  }

  async #derive(secret: Uint8Array, keys: number): Promise<Uint8Array> {
    return $hkdf(this.#chain, await $importSecret(secret), $NOTHING, keys * $KEY_BYTES);
  }
}

/** The client's half of a handshake. */
export class $Initiator {
  readonly #beginning: $Beginning;
  readonly #symmetric: $Symmetric;

  private constructor(beginning: $Beginning, symmetric: $Symmetric) {
    this.#beginning = beginning;
    this.#symmetric = symmetric;
  }

  static async begin(beginning: $Beginning): Promise<$Initiator> {
    const { suite, prologue, theirs, psk } = beginning;
    const name = $encodeText(`Noise_NK${psk === undefined ? "" : "psk0"}_25519_${suite.name}_SHA256`);
    const isShort = name.length <= $HASH_BYTES;
    const start = isShort ? $join(name, new Uint8Array($HASH_BYTES - name.length)) : await $sha256(name);
    const symmetric = new $Symmetric(suite, start);
    await symmetric.mixHash(prologue);
    await symmetric.mixHash(theirs);
    if (psk !== undefined) await symmetric.mixKeyAndHash(psk);
    return new $Initiator(beginning, symmetric);
  }

  /** Returns message 1: the ephemeral key, and the sealed payload. */
  async write(payload: Uint8Array): Promise<Uint8Array> {
    const { ephemeral, theirs } = this.#beginning;
    await this.#mixEphemeral(ephemeral.public);
    await this.#symmetric.mixKey(await $agree(ephemeral.secret, theirs));
    return $join(ephemeral.public, await this.#symmetric.seal(payload));
  }

  /** Returns the payload of message 2. */
  async read(message: Uint8Array): Promise<Uint8Array> {
    const theirs = message.slice(0, $KEY_BYTES);
    await this.#mixEphemeral(theirs);
    await this.#symmetric.mixKey(await $agree(this.#beginning.ephemeral.secret, theirs));
    return this.#symmetric.open(message.slice($KEY_BYTES));
  }

  finish(): Promise<$Finished> {
    return this.#symmetric.finish();
  }

  async #mixEphemeral(key: Uint8Array): Promise<void> {
    await this.#symmetric.mixHash(key);
    if (this.#beginning.psk !== undefined) await this.#symmetric.mixKey(key);
  }
}
