// What one client has subscribed to: each subscription once, however many listen to it.
import { $findFirst, $isBefore, $readCursor } from "./events_cursor.js";
import { $applyPatch } from "./events_patch.js";
import { $makeProblem, KontractProtocolError } from "./errors.js";
import { $decode } from "./values.js";
/** Runs what belongs to the caller: its failures are its own, as those of an event listener are. */
export function $tell(callback, ...args) {
    try {
        callback?.(...args);
    }
    catch (error) {
        setTimeout(() => {
            throw error;
        }, 0);
    }
}
/** A table that is listened to. */
export class $TableTopic {
    listeners = new Set();
    #ask;
    constructor(ask) {
        this.#ask = ask;
    }
    ask() {
        return this.#ask;
    }
    first() {
        return $findFirst([...this.listeners].map(({ cursor }) => cursor));
    }
    open(head, covers) {
        for (const listener of this.listeners) {
            listener.isJoined = listener.version <= covers;
            if (!listener.isJoined)
                continue;
            listener.cursor ??= head;
            $tell((text) => listener.opened(text), listener.cursor.text);
        }
    }
    lost(error) {
        for (const listener of [...this.listeners])
            $tell((one) => listener.lost(one), error);
    }
    /** Moves all on, and then tells of a change, if there is one: what has been told is never told again. */
    move(cursor, key, parsed) {
        const told = parsed;
        const change = told !== undefined && Object.hasOwn(told.to, key) ? told.to[key] : undefined;
        for (const listener of [...this.listeners]) {
            if (!listener.isJoined || listener.cursor === undefined || !$isBefore(listener.cursor, cursor))
                continue;
            listener.cursor = cursor;
            if (change === undefined || told === undefined)
                continue;
            const { txid, ordinal, label, at } = told;
            const event = { data: undefined, old: undefined, owner: undefined, ...change, txid, ordinal, label };
            $tell((one) => listener.change(one), { ...event, at: new Date(at), cursor: cursor.text });
        }
    }
    /** Everything has to be read anew, and goes on from here. */
    reset(cursor) {
        for (const listener of [...this.listeners]) {
            if (!listener.isJoined)
                continue;
            listener.cursor = cursor;
            $tell((txid) => listener.reset(txid), cursor.txid);
        }
    }
    fail(error) {
        for (const listener of [...this.listeners])
            $tell((one) => listener.fail(one), error);
    }
}
/** A live query that is listened to, and its last result. */
export class $LiveTopic {
    listeners = new Set();
    #ask;
    #procedure;
    #raw;
    #isWide = false;
    #digest;
    #value;
    #problem;
    /** Whether a patch of this stream can be applied to what there is. */
    #isBase = false;
    /** What is wanted has it since this version. */
    #version;
    /** Where the present stream went on from; undefined where there is none for this. */
    #head;
    constructor(ask, procedure, version) {
        this.#ask = ask;
        this.#procedure = procedure;
        this.#version = version;
    }
    ask() {
        return this.#digest === undefined ? this.#ask : { ...this.#ask, known: this.#digest };
    }
    /** Tells somebody new what the others know. */
    join(listener) {
        this.listeners.add(listener);
        if (this.#head !== undefined)
            $tell((text) => listener.opened(text), this.#head.text);
        if (this.#problem !== undefined)
            $tell((error) => listener.problem(error), this.#problem);
        else if (this.#digest !== undefined)
            $tell((value) => listener.result(value), this.#value);
    }
    open(head, covers) {
        this.exclude();
        if (this.#version > covers)
            return;
        this.#head = head;
        for (const listener of [...this.listeners])
            $tell((text) => listener.opened(text), head.text);
    }
    /** There is another stream, and it is not for this. */
    exclude() {
        this.#isBase = false;
        this.#head = undefined;
    }
    lost(error) {
        this.#head = undefined;
        for (const listener of [...this.listeners])
            $tell((one) => listener.lost(one), error);
    }
    /** Forgets the result, which was for somebody else. */
    forget() {
        this.#digest = undefined;
        this.#isBase = false;
    }
    hear({ value, isWide }) {
        const told = value;
        try {
            this.#take(told, isWide);
        }
        catch (error) {
            this.forget();
            const message = `The result of ${this.#procedure.name} cannot be read: ${String(error)}.`;
            this.#fail(new KontractProtocolError(message, "unreadable_answer", { cause: error }));
        }
    }
    #take(told, isWide) {
        if (told.problem !== undefined)
            return this.#fail($makeProblem(told.problem, this.#procedure.errors));
        const isSame = told.digest === this.#digest;
        if (told.patch !== undefined) {
            if (!this.#isBase)
                return; // the whole result is asked for already
            this.#raw = $applyPatch(this.#raw, told.patch);
        }
        else if (told.same) {
            if (!isSame)
                return;
        }
        else
            this.#raw = told.result;
        this.#isWide = told.patch === undefined && !told.same ? isWide : this.#isWide || isWide;
        this.#isBase = true;
        if (isSame && this.#problem === undefined)
            return;
        if (!isSame)
            this.#value = $decode(this.#procedure.result, this.#raw, this.#isWide);
        this.#digest = told.digest;
        this.#problem = undefined;
        for (const listener of [...this.listeners])
            $tell((value) => listener.result(value), this.#value);
    }
    #fail(problem) {
        this.#problem = problem;
        for (const listener of [...this.listeners])
            $tell((error) => listener.problem(error), problem);
    }
    fail(error) {
        for (const listener of [...this.listeners])
            $tell((one) => listener.fail(one), error);
    }
}
/** Returns the position that an event ends at; undefined: it tells of none. */
export function $findPosition(id) {
    return id === undefined || id === "" ? undefined : $readCursor(id);
}
