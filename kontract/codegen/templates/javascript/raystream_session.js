// A session, and what it is good for: a counter that never counts twice, in memory alone.
import { $join } from "./raystream_bytes.js";
import { $packRequest } from "./raystream_envelope.js";
import { $HEADER_BYTES, $packRequestHeader } from "./raystream_frames.js";
import { $CHUNK_OVERHEAD, $chooseFraming } from "./raystream_framing.js";
import { $Opener } from "./raystream_opener.js";
import { $TAG_BYTES } from "./raystream_suites.js";
const $RESUME_AT = 0.75; // of a limit: early enough that a request under way is not caught by it
const $PENDING_SECONDS = 30; // that a session lives before its first request
export class $ChannelSession {
    secrets;
    #limits;
    #began;
    #used;
    #count = 0;
    constructor(secrets, limits, now) {
        this.secrets = secrets;
        this.#limits = limits;
        this.#began = this.#used = now;
    }
    /** Tells whether the session is good for another request; `now` is in seconds. */
    nextStep(now) {
        const age = now - this.#began;
        if (age < 0)
            return "start"; // somebody has set the clock back, so nobody knows how old it is
        if (this.#count === 0)
            return age < $RESUME_AT * $PENDING_SECONDS ? "request" : "start";
        const { absolute, idle, requests } = this.#limits;
        const spent = Math.max(age / absolute, (now - this.#used) / idle, this.#count / requests);
        if (spent >= 1)
            return "start";
        return spent >= $RESUME_AT ? "resume" : "request";
    }
    /** Seals a request; a TypeError where the server would not take it. */
    async seal(head, body, now, block) {
        const { suite, sid, c2s } = this.secrets;
        const envelope = $packRequest(head, body, block);
        this.#checkSize($HEADER_BYTES + envelope.length + $TAG_BYTES);
        const seq = this.#draw(now);
        const header = $packRequestHeader(suite, sid, seq);
        const frame = $join(header, await c2s.seal(seq, envelope, header));
        const open = (type) => {
            const framing = $chooseFraming(type, this.#limits.chunk + $CHUNK_OVERHEAD);
            return framing && new $Opener(this.secrets, seq, framing);
        };
        return { session: this, frame, open };
    }
    #checkSize(size) {
        if (size <= this.#limits.frame)
            return;
        const limit = this.#limits.frame;
        const remedy = "Send a large file in several calls.";
        throw new TypeError(`The request has ${size} bytes; the encrypted channel takes at most ${limit}, files included. ${remedy}`);
    }
    #draw(now) {
        this.#used = now;
        return this.#count++;
    }
}
