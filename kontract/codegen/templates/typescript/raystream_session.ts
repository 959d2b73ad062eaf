// A session, and what it is good for: a counter that never counts twice, in memory alone.

import { $join } from "./raystream_bytes.ts";
import { $packRequest, type $RequestHead } from "./raystream_envelope.ts";
import { $HEADER_BYTES, $packRequestHeader, type $Limits } from "./raystream_frames.ts";
import { $CHUNK_OVERHEAD, $chooseFraming } from "./raystream_framing.ts";
import { $Opener } from "./raystream_opener.ts";
import type { $Secrets } from "./raystream_schedule.ts";
import { $TAG_BYTES } from "./raystream_suites.ts";

const $RESUME_AT = 0.75; // of a limit: early enough that a request under way is not caught by it
const $PENDING_SECONDS = 30; // that a session lives before its first request

/** What is next for who wants to send a request. */
export type $Step = "start" | "resume" | "request";

/** A sealed request: `frame` goes to the server, and `open` makes what opens the answer, by its content type. */
export interface $Sealed {
  readonly session: $ChannelSession;
  readonly frame: Uint8Array;
  readonly open: (type: string | null) => $Opener | undefined;
}

export class $ChannelSession {
  readonly secrets: $Secrets;
  readonly #limits: $Limits;
  readonly #began: number;
  #used: number;
  #count = 0;

  constructor(secrets: $Secrets, limits: $Limits, now: number) {
    this.secrets = secrets;
    this.#limits = limits;
    this.#began = this.#used = now;
  }

  /** Tells whether the session is good for another request; `now` is in seconds. */
  nextStep(now: number): $Step {
    const age = now - this.#began;
    if (age < 0) return "start"; // somebody has set the clock back, so nobody knows how old it is
    if (this.#count === 0) return age < $RESUME_AT * $PENDING_SECONDS ? "request" : "start";
    const { absolute, idle, requests } = this.#limits;
    const spent = Math.max(age / absolute, (now - this.#used) / idle, this.#count / requests);
    if (spent >= 1) return "start";
    return spent >= $RESUME_AT ? "resume" : "request";
  }

  /** Seals a request; a TypeError where the server would not take it. */
  async seal(head: $RequestHead, body: Uint8Array, now: number, block?: number): Promise<$Sealed> {
    const { suite, sid, c2s } = this.secrets;
    const envelope = $packRequest(head, body, block);
    this.#checkSize($HEADER_BYTES + envelope.length + $TAG_BYTES);
    const seq = this.#draw(now);
    const header = $packRequestHeader(suite, sid, seq);
    const frame = $join(header, await c2s.seal(seq, envelope, header));
    const open = (type: string | null): $Opener | undefined => {
      const framing = $chooseFraming(type, this.#limits.chunk + $CHUNK_OVERHEAD);
      return framing && new $Opener(this.secrets, seq, framing);
    };
    return { session: this, frame, open };
  }

  #checkSize(size: number): void {
    if (size <= this.#limits.frame) return;
    const limit = this.#limits.frame;
    const remedy = "Send a large file in several calls.";
    throw new TypeError(
      `The request has ${size} bytes; the encrypted channel takes at most ${limit}, files included. ${remedy}`,
    );
  }

  #draw(now: number): number {
    this.#used = now;
    return this.#count++;
  }
}
