// The one stream that holds all subscriptions: opened, opened again from its cursor whenever it ends, and watched.
import { $locate } from "./client.js";
import { $makeProblem, KontractError, KontractNetworkError } from "./errors.js";
import { $readEvents } from "./events_wire.js";
import { $parseJson, $writeJson } from "./json.js";
import { $send, $unexpected } from "./sending.js";
import { $Watch } from "./watch.js";
const $SILENCE = 50_000; // milliseconds, in which the server would have sent two keep-alives
const $FIRST_PAUSE = 1000;
const $LONGEST_PAUSE = 10_000; // at random up to that, so that a server that is back is not asked by all at once
const $GATHERING = 25; // milliseconds in which further subscriptions join those that a new stream is opened for
const $FOREVER = 2 ** 31 - 1; // as long as a timer can be
const $TRANSIENT = [408, 425, 429];
export class $Source {
    #client;
    #party;
    #accepted = new Set();
    #turn = new AbortController();
    #gathering;
    #wake = () => { };
    #check = () => { };
    #hasHeard = false;
    #isLost = false;
    #isClosed = false;
    constructor(client, party) {
        this.#client = client;
        this.#party = party;
        const page = globalThis;
        page.addEventListener?.("online", this.#retry);
        page.document?.addEventListener("visibilitychange", this.#retry);
        void this.#run();
    }
    /** Opens another stream soon, for what is wanted then. */
    restart() {
        this.#gathering ??= setTimeout(() => {
            this.#gathering = undefined;
            this.#turn.abort();
        }, $GATHERING);
    }
    close() {
        const page = globalThis;
        page.removeEventListener?.("online", this.#retry);
        page.document?.removeEventListener("visibilitychange", this.#retry);
        clearTimeout(this.#gathering);
        this.#isClosed = true;
        this.#turn.abort();
    }
    /** The network is there again, or somebody looks: no reason to wait any longer. */
    #retry = () => {
        this.#check();
        this.#wake();
    };
    async #run() {
        let failures = 0;
        await this.#sleep(this.#turn.signal, $GATHERING);
        while (!this.#isClosed) {
            const { signal } = (this.#turn = new AbortController());
            this.#gathering = void clearTimeout(this.#gathering); // what is wanted now has all that gathered
            const wants = this.#party.wants();
            this.#hasHeard = false;
            try {
                if (Object.keys(wants.topics).length === 0)
                    await this.#sleep(signal);
                else
                    await this.#follow(wants, signal);
            }
            catch (error) {
                if (signal.aborted)
                    continue;
                failures = this.#hasHeard ? 0 : failures + 1;
                if ($isFinal(error))
                    await this.#refuse(wants, error, signal);
                else
                    await this.#pause(signal, error, failures);
            }
        }
    }
    async #pause(signal, error, failures) {
        const pause = $findPause(error, failures);
        if (pause > 0 && !this.#isLost) {
            this.#isLost = true;
            this.#party.lost(error instanceof $Ended ? error.problem : error);
        }
        await this.#sleep(signal, pause);
    }
    /** Tells of a stream until it ends, which is always a failure. */
    async #follow(wants, signal) {
        const watch = new $Watch(signal, this.#client().timeout);
        try {
            for await (const event of this.#read(wants, watch)) {
                if (event.event === "stream-open") {
                    for (const key of Object.keys(wants.topics))
                        this.#accepted.add(key);
                    this.#isLost = false;
                    this.#party.open(event, wants.version);
                }
                else if (event.event === "stream-error") {
                    throw new $Ended($makeProblem($parseJson(event.data).value));
                }
                else {
                    this.#hasHeard ||= event.event !== "keep-alive";
                    this.#party.hear(event);
                }
                signal.throwIfAborted();
            }
            throw new KontractNetworkError("The stream of events ended.", "network_error");
        }
        finally {
            this.#check = () => { };
            watch.stop();
            watch.cancel();
        }
    }
    async *#read(wants, watch) {
        const client = this.#client();
        const outgoing = {
            client,
            url: $locate(client, "events/"),
            method: "POST",
            headers: { Accept: "text/event-stream, application/problem+json", "Content-Type": "application/json" },
            body: $writeJson({ subscriptions: wants.topics, ...(wants.after === undefined ? {} : { after: wants.after }) }),
            options: { retries: 0 },
            isRepeatable: false,
        };
        const response = await $send(outgoing, watch, async (started) => started);
        watch.disarm();
        if (response.body === null || !response.headers.get("Content-Type")?.startsWith("text/event-stream"))
            throw $unexpected(response);
        const stop = this.#listen(watch, client.events.silence ?? $SILENCE);
        try {
            yield* $readEvents(response.body, stop.live);
        }
        finally {
            stop.end();
        }
    }
    /** Cancels what has been silent for too long, also where timers sleep with the machine. */
    #listen(watch, silence) {
        let last = Date.now();
        const check = () => {
            if (Date.now() - last > silence)
                watch.cancel();
        };
        this.#check = check;
        const timer = setInterval(check, silence / 4);
        return { live: () => void (last = Date.now()), end: () => clearInterval(timer) };
    }
    /** Finds out which subscriptions the server does not take, tells them so, and leaves the others. */
    async #refuse(wants, error, signal) {
        const keys = Object.keys(wants.topics);
        const isNew = keys.some((key) => !this.#accepted.has(key));
        const suspects = isNew ? keys.filter((key) => !this.#accepted.has(key)) : keys;
        const found = keys.length === 1 ? new Map([[suspects[0], error]]) : await this.#try(suspects, wants, signal);
        if (signal.aborted)
            return;
        for (const key of suspects) {
            this.#accepted.delete(key);
            if (found.size === 0)
                this.#party.fail(key, error); // alone they are good, together too many
            else if (found.has(key))
                this.#party.fail(key, found.get(key));
        }
    }
    /** Asks for one after the other; returns those that are refused. */
    async #try(suspects, wants, signal) {
        const found = new Map();
        for (const key of suspects) {
            const watch = new $Watch(signal, this.#client().timeout);
            try {
                const topics = { [key]: wants.topics[key] };
                for await (const _ of this.#read({ ...wants, topics }, watch))
                    break;
            }
            catch (error) {
                if ($isFinal(error))
                    found.set(key, error);
            }
            finally {
                watch.stop();
                watch.cancel();
            }
        }
        return found;
    }
    /** Waits so long, or for ever, but not longer than until there is a reason to go on. */
    async #sleep(signal, milliseconds) {
        const page = globalThis;
        const isOffline = page.navigator?.onLine === false;
        const timeless = milliseconds === undefined || (isOffline && milliseconds > $GATHERING);
        const watch = new $Watch(signal, 0);
        this.#wake = milliseconds === undefined ? () => { } : watch.cancel;
        await watch.sleep(timeless ? $FOREVER : milliseconds);
        watch.stop();
        this.#wake = () => { };
    }
}
/** The server ended a stream. */
class $Ended extends Error {
    problem;
    constructor(problem) {
        super(problem.detail);
        this.problem = problem;
    }
}
/** Whether asking again would not help. */
function $isFinal(error) {
    if (error instanceof $Ended)
        return false; // whether the next one is refused will be seen
    if (!(error instanceof KontractError))
        return true;
    const { status } = error;
    return status === 501 || (status >= 400 && status < 500 && !$TRANSIENT.includes(status));
}
/** Returns the milliseconds to wait before the next stream, at random, lest all clients come back at once. */
function $findPause(error, failures) {
    const problem = error instanceof $Ended ? error.problem : error;
    const { code, retryAfter = 0 } = problem;
    if (code === "token_expired" && failures < 2)
        return 0; // the next token is had on the way
    return retryAfter * 1000 + Math.random() * Math.min($LONGEST_PAUSE, $FIRST_PAUSE * 2 ** failures);
}
