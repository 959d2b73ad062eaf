// The prologue, which both sides must agree on, and the secrets that come of a handshake.

import { $encodeText, $join, $toBytes } from "./raystream_bytes.ts";
import { $hkdf, $importSecret, $KEY_BYTES, type $Key } from "./raystream_crypto.ts";
import type { $Finished } from "./raystream_noise.ts";
import { $Cipher, $IV_BYTES, type $Suite } from "./raystream_suites.ts";

const $KEY_AND_IV_BYTES = $KEY_BYTES + $IV_BYTES;
const $RESPONSE_LABEL = $encodeText("raystream/1 resp\0");

export function $makePrologue(
  audience: Uint8Array,
  offer: readonly number[],
  suite: $Suite,
  kid: Uint8Array,
): Uint8Array {
  const choice = Uint8Array.of(offer.length, ...offer, suite.id);
  return $join($encodeText("kontract raystream/1\0"), $toBytes(audience.length, 2), audience, choice, kid);
}

/** The secrets of one session: `c2s` seals requests, `s2c` gives each response its key, `resume` is a handshake's. */
export class $Secrets {
  readonly suite: $Suite;
  readonly sid: Uint8Array;
  readonly c2s: $Cipher;
  readonly resume: Uint8Array;
  readonly #s2c: $Key;

  private constructor(suite: $Suite, sid: Uint8Array, c2s: $Cipher, s2c: $Key, resume: Uint8Array) {
    this.suite = suite;
    this.sid = sid;
    this.c2s = c2s;
    this.resume = resume;
    this.#s2c = s2c;
  }

  static async derive(suite: $Suite, sid: Uint8Array, { keys, hash }: $Finished): Promise<$Secrets> {
    const master = await $importSecret(keys);
    const derive = (label: string, length: number): Promise<Uint8Array> =>
      $hkdf(hash, master, $join($encodeText(`raystream/1 ${label}\0`), sid, Uint8Array.of(suite.id)), length);
    const c2s = await $Cipher.make(suite, await derive("c2s", $KEY_AND_IV_BYTES));
    const s2c = await $importSecret(await derive("s2c", $KEY_BYTES));
    return new $Secrets(suite, sid, c2s, s2c, await derive("resume", $KEY_BYTES));
  }

  /** Returns the cipher of the response to request `seq`. */
  async makeResponseCipher(seq: number, salt: Uint8Array): Promise<$Cipher> {
    const info = $join($RESPONSE_LABEL, this.sid, $toBytes(seq, 8));
    return $Cipher.make(this.suite, await $hkdf(salt, this.#s2c, info, $KEY_AND_IV_BYTES));
  }
}
