// The session that all calls of a client share: made, resumed and made anew, by one call at a time.
import { $locate } from "./client.js";
import { KontractError } from "./errors.js";
import { $isReset } from "./raystream_frames.js";
import { KontractChannelError } from "./raystream_errors.js";
import { $Handshake, $readPins } from "./raystream_handshake.js";
import { $ChannelSession } from "./raystream_session.js";
import { $chooseSuite } from "./raystream_suites.js";
import { $Turns } from "./raystream_turns.js";
import { $overNetwork, $readRetryAfter } from "./sending.js";
const $SHORT = 1024; // bytes; whatever answers a handshake, or is RESET, is shorter
/** The way to the server's channel, and the session, which is resumed before it ends if no answer is open. */
export class $Tunnel {
    #client;
    #options;
    #url;
    #turns = new $Turns();
    #open = new Set();
    #pins;
    #pin = 0;
    #session;
    #caller = "";
    constructor(client, options) {
        this.#client = client;
        this.#options = options;
        this.#url = $locate(client, "_rs");
    }
    /** Seals a request in a session that is good for it; its answer is open until end(). */
    seal(head, body, signal) {
        return this.#turns.take(signal, async () => {
            const session = await this.#connect($findCaller(head), signal);
            const sealed = await session.seal(head, body, $now(), this.#options.block);
            this.#open.add(sealed);
            return sealed;
        });
    }
    end(sealed) {
        this.#open.delete(sealed);
    }
    /** Sends bytes, with nothing around them that tells who calls, or from which page. */
    async post(frame, signal) {
        const init = {
            method: "POST",
            headers: { "Content-Type": "application/raystream" },
            body: frame, // TypeScript 5.7 renamed what a body can be
            cache: "no-store",
            credentials: "omit",
            redirect: "error",
            referrerPolicy: "no-referrer",
            signal,
        };
        return $overNetwork(this.#client.fetch(this.#url.href, init));
    }
    /** Returns the error of an answer that is none, and forgets the session if the server does not know it. */
    async explain(outer, sealed) {
        const isReset = outer.status === 400 && $isReset(await $takeShort(outer));
        if (!isReset) {
            $leave(outer);
            const detail = `A sealed request was answered with status ${outer.status} by something on the way.`;
            return new KontractChannelError(detail, "channel_refused", { retryAfter: $readRetryAfter(outer) });
        }
        if (this.#session === sealed.session)
            this.#session = undefined;
        return new KontractChannelError("The server has reset the session, or somebody in its name.", "channel_reset");
    }
    async #connect(caller, signal) {
        const pins = (this.#pins ??= $readPins(this.#options, await $chooseSuite(this.#options)));
        for (let failures = 0;; failures++) {
            const session = this.#session;
            const step = this.#isOfAnother(caller) ? "start" : session?.nextStep($now());
            if (session !== undefined && step === "request") {
                this.#caller ||= caller;
                return session;
            }
            const old = step === "resume" && this.#open.size === 0 ? session : undefined;
            this.#session = undefined;
            if (old === undefined)
                this.#caller = "";
            this.#session = await this.#shake(pins, old, signal, failures);
        }
    }
    /** Tells whether the session was used with another token: it belongs to who signed in first. */
    #isOfAnother(caller) {
        return caller !== "" && this.#caller !== "" && caller !== this.#caller;
    }
    /** Makes a handshake; undefined where it failed, and the next attempt may not. */
    async #shake(pins, old, signal, failures) {
        const key = pins.keys[this.#pin];
        const handshake = await $Handshake.begin(pins, key, old?.secrets);
        const outer = await this.post(handshake.opening, signal);
        if (outer.status !== 200 && outer.status !== 400)
            throw this.#refuse(outer);
        const accept = await $takeShort(outer);
        try {
            const { secrets, limits } = await handshake.finish(accept);
            return new $ChannelSession(secrets, limits, $now());
        }
        catch (error) {
            if (!(error instanceof KontractChannelError))
                throw error;
            if (old === undefined)
                this.#pin = (this.#pin + 1) % pins.keys.length;
            if (failures >= pins.keys.length)
                throw this.#distrust(error);
            return undefined;
        }
    }
    #refuse(outer) {
        $leave(outer);
        const { status } = outer;
        const detail = `${this.#url.href} answered a handshake with status ${status}. Try again later.`;
        return new KontractError(detail, "channel_busy", { status, retryAfter: $readRetryAfter(outer) });
    }
    #distrust(cause) {
        const detail = `${this.#url.href} proves none of the keys that this client pins. Either it is another server, or the client ` +
            "is too old: generate it anew with kontract_compile.";
        return new KontractChannelError(detail, "channel_not_authentic", { cause });
    }
}
/** Seconds of the wall clock: other clocks stand still while a computer sleeps, and sessions do not. */
function $now() {
    return Date.now() / 1000;
}
function $findCaller({ headers }) {
    return headers.find(([name]) => name === "authorization")?.[1] ?? "";
}
/** Returns a short answer, or the beginning of what is none. */
async function $takeShort(outer) {
    const reader = outer.body?.getReader();
    const taken = [];
    while (reader !== undefined) {
        const { done, value } = await $overNetwork(reader.read());
        if (done)
            break;
        taken.push(...value.subarray(0, $SHORT));
        if (taken.length <= $SHORT && value.length <= $SHORT)
            continue;
        await reader.cancel();
        break;
    }
    return Uint8Array.from(taken);
}
/** Reads no further, so that the connection is free. */
function $leave(outer) {
    if (!outer.bodyUsed)
        void outer.body?.cancel().catch(() => { }); // it may have failed, and nobody wants it
}
