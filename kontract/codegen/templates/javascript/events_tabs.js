// The tabs of one browser that are signed in alike share a stream: one of them holds it and tells the others.
//
// The tab that has the lock leads. When it is gone another one has the lock, asks all what they want and from where, and
// goes on from the earliest position; each tab leaves out what it knows. Only a stream that was opened for all that a
// tab wants moves it on, so that nothing is lost in between.
import { $findFirst, $readCursor } from "./events_cursor.js";
import { $makeProblem, KontractError } from "./errors.js";
import { $randomText } from "./json.js";
/** Whether there are tabs, and means for them to share something. */
export function $canShare() {
    const { location, navigator, BroadcastChannel } = globalThis;
    return location !== undefined && navigator?.locks !== undefined && BroadcastChannel !== undefined;
}
/** This tab among those that share a name. */
export class $Circle {
    #name;
    #member;
    #makeSource;
    #tab = $randomText();
    #radio;
    #locks;
    #ended = new AbortController();
    #others = new Map();
    #covers = [];
    #leader;
    #source;
    #isKnown = false;
    constructor(name, member, makeSource) {
        const { navigator, BroadcastChannel } = globalThis;
        this.#name = name;
        this.#member = member;
        this.#makeSource = makeSource;
        this.#radio = new BroadcastChannel(name);
        this.#radio.onmessage = ({ data }) => this.#receive(data);
        this.#locks = navigator.locks;
        this.#hold(`${name} ${this.#tab}`, () => this.#ask()); // others learn by this lock when the tab is gone
        this.#hold(name, () => this.#lead());
    }
    /** Asks for what is wanted now. */
    restart() {
        if (this.#source !== undefined)
            this.#source.restart();
        else if (this.#isKnown)
            this.#send({ kind: "want", tab: this.#tab, wants: this.#member.wants() });
    }
    close() {
        this.#source?.close();
        this.#source = undefined;
        this.#ended.abort();
        this.#radio.close();
    }
    /** Runs something when the lock is had, and keeps that until the end. */
    #hold(name, run) {
        const { signal } = this.#ended;
        const keep = () => {
            run();
            return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
        };
        this.#locks.request(name, { signal }, keep).catch((error) => {
            if (!signal.aborted)
                throw error;
        });
    }
    #ask() {
        this.#isKnown = true;
        this.restart();
    }
    #lead() {
        this.#leader = this.#tab;
        this.#member.exclude();
        this.#send({ kind: "lead", tab: this.#tab });
        this.#source = this.#makeSource(this);
    }
    #send(message) {
        if (!this.#ended.signal.aborted)
            this.#radio.postMessage(message);
    }
    #receive(message) {
        if (this.#ended.signal.aborted)
            return;
        if (message.kind === "lead") {
            this.#leader = message.tab;
            this.#member.exclude();
            this.restart();
        }
        else if (message.kind === "want")
            this.#take(message.tab, message.wants);
        else if (this.#source !== undefined)
            return; // from who led before
        else if (message.kind === "open")
            this.#follow(message.tab, message.event, message.covers);
        else if (message.tab !== this.#leader)
            return;
        else if (message.kind === "hear")
            this.#member.hear(message.event);
        else if (message.kind === "lost")
            this.#member.lost($restore(message.error));
        else
            this.#member.fail(message.key, $restore(message.error));
    }
    /** Begins to take what the leader tells, if its stream has what is wanted here. */
    #follow(leader, event, covers) {
        this.#leader = leader;
        const own = covers.find(([tab]) => tab === this.#tab);
        if (own === undefined)
            this.#member.exclude();
        else
            this.#member.open(event, own[1]);
    }
    #take(tab, wants) {
        if (this.#source === undefined)
            return;
        if (!this.#others.has(tab))
            this.#watch(tab);
        this.#others.set(tab, wants);
        this.#source.restart();
    }
    /** Forgets a tab when it is gone. */
    #watch(tab) {
        const { signal } = this.#ended;
        const forget = async () => {
            this.#others.delete(tab);
            this.#source?.restart();
        };
        this.#locks.request(`${this.#name} ${tab}`, { signal }, forget).catch((error) => {
            if (!signal.aborted)
                throw error;
        });
    }
    // What the stream that this tab holds is for, and tells.
    wants() {
        const own = this.#member.wants();
        const members = [[this.#tab, own], ...this.#others];
        this.#covers = members.map(([tab, { version }]) => [tab, version]);
        const all = members.map(([, wants]) => wants);
        const after = $findFirst(all.map((one) => (one.after === undefined ? undefined : $readCursor(one.after))));
        const topics = {};
        for (const one of all)
            for (const [key, ask] of Object.entries(one.topics))
                topics[key] = $merge(topics[key], ask);
        return { version: own.version, after: after?.text, topics };
    }
    open(event, version) {
        this.#send({ kind: "open", tab: this.#tab, event, covers: this.#covers });
        this.#member.open(event, version);
    }
    hear(event) {
        this.#send({ kind: "hear", tab: this.#tab, event });
        this.#member.hear(event);
    }
    lost(error) {
        this.#send({ kind: "lost", tab: this.#tab, error: $describeFailure(error) });
        this.#member.lost(error);
    }
    fail(key, error) {
        for (const [tab, { topics, ...others }] of this.#others) {
            const { [key]: _, ...left } = topics;
            this.#others.set(tab, { ...others, topics: left });
        }
        this.#send({ kind: "fail", tab: this.#tab, key, error: $describeFailure(error) });
        this.#member.fail(key, error);
    }
}
/** Returns what several tabs ask for: with a result that is known only if all know it. */
function $merge(one, other) {
    if (one === undefined || one.known === other.known)
        return other;
    const { known: _, ...ask } = other;
    return ask;
}
function $describeFailure(error) {
    if (!(error instanceof KontractError))
        return { problem: undefined, code: "", detail: String(error), status: 0 };
    const { problem, code, detail, status } = error;
    return { problem, code, detail, status };
}
function $restore({ problem, code, detail, status }) {
    return problem === undefined ? new KontractError(detail, code, { status }) : $makeProblem(problem);
}
