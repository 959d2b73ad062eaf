// A response, opened chunk by chunk: final u8 | AEAD(key, IV XOR i, header || final, plaintext).

import { $isSame, $join } from "./raystream_bytes.ts";
import { $readResponse, type $ResponseHead } from "./raystream_envelope.ts";
import { $cutOff, $forged } from "./raystream_errors.ts";
import { $HEADER_BYTES, $packResponseHeader } from "./raystream_frames.ts";
import { $PREFIX_BYTES, type $Framing } from "./raystream_framing.ts";
import type { $Secrets } from "./raystream_schedule.ts";
import type { $Cipher } from "./raystream_suites.ts";

/** The answer to one request. Feed it what comes, in order; `head` is there as soon as its chunk has come. */
export class $Opener {
  readonly #secrets: $Secrets;
  readonly #seq: number;
  readonly #framing: $Framing;
  readonly #header: Uint8Array;
  #cipher: $Cipher | undefined;
  #number = 0;
  #isEnded = false;
  head: $ResponseHead | undefined;

  constructor(secrets: $Secrets, seq: number, framing: $Framing) {
    this.#secrets = secrets;
    this.#seq = seq;
    this.#framing = framing;
    this.#header = $packResponseHeader(secrets.suite, secrets.sid, seq);
  }

  /** Returns what these bytes bring of the body. */
  async feed(data: Uint8Array): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = [];
    for (const piece of this.#framing.feed(data)) {
      if (this.#cipher === undefined) await this.#openPrefix(piece);
      else parts.push(await this.#openChunk(this.#cipher, piece));
    }
    return parts.filter(({ length }) => length > 0);
  }

  /** Refuses an answer that has not come to its end. */
  close(): void {
    if (!this.#isEnded) throw $cutOff();
  }

  async #openPrefix(piece: Uint8Array): Promise<void> {
    const header = piece.subarray(0, $HEADER_BYTES);
    if (piece.length !== $PREFIX_BYTES || !$isSame(header, this.#header)) throw $forged();
    this.#cipher = await this.#secrets.makeResponseCipher(this.#seq, piece.slice($HEADER_BYTES));
  }

  async #openChunk(cipher: $Cipher, piece: Uint8Array): Promise<Uint8Array> {
    const final = piece[0];
    if (this.#isEnded || (final !== 0 && final !== 1)) throw $forged();
    const associated = $join(this.#header, Uint8Array.of(final));
    const plaintext = await cipher.open(this.#number, piece.subarray(1), associated);
    this.#number++;
    this.#isEnded = final === 1;
    if (this.head !== undefined) return plaintext;
    const { head, body } = $readResponse(plaintext);
    this.head = head;
    return body;
  }
}
