// All subscriptions of a client, and the stream that they share.
import { $defaultClient, $locate } from "./client.js";
import { $findFirst, $isBefore } from "./events_cursor.js";
import { $findPosition, $LiveTopic, $TableTopic } from "./events_topics.js";
import { $Circle, $canShare } from "./events_tabs.js";
import { $Source } from "./events_source.js";
import { $parseJson, $writeJson } from "./json.js";
const $hubs = new WeakMap();
/** Returns what all subscriptions of a client share. */
export function $findHub(client) {
    const isDefault = client.self === $defaultClient.self;
    const key = isDefault ? $hubs : client.self;
    const hub = $hubs.get(key) ?? new $Hub(isDefault ? () => $defaultClient : () => client);
    $hubs.set(key, hub);
    return hub;
}
export class $Hub {
    #client;
    #tables = new Map();
    #lives = new Map();
    #version = 0;
    #covers = -1;
    #head;
    #link;
    #linking;
    #who;
    #mustReset = false;
    #unlisten = () => { };
    constructor(client) {
        this.#client = client;
    }
    /** Listens to a table; returns what ends that. */
    addTable(ask, make) {
        const key = $writeJson(ask);
        const topic = this.#tables.get(key) ?? new $TableTopic(ask);
        this.#tables.set(key, topic);
        const listener = make(++this.#version);
        topic.listeners.add(listener);
        this.#restart();
        return () => {
            topic.listeners.delete(listener);
            if (topic.listeners.size === 0 && this.#tables.get(key) === topic)
                this.#drop(this.#tables, key);
        };
    }
    /** Follows a live query; returns what ends that. */
    addLive(ask, procedure, listener) {
        const key = $writeJson(ask);
        const known = this.#lives.get(key);
        if (known === undefined)
            this.#version++;
        const topic = known ?? new $LiveTopic(ask, procedure, this.#version);
        this.#lives.set(key, topic);
        topic.join(listener);
        if (known === undefined)
            this.#restart();
        return () => {
            topic.listeners.delete(listener);
            if (topic.listeners.size === 0 && this.#lives.get(key) === topic)
                this.#drop(this.#lives, key);
        };
    }
    #drop(topics, key) {
        topics.delete(key);
        this.#leave();
    }
    /** There is a subscription less. */
    #leave() {
        this.#version++;
        if (this.#tables.size + this.#lives.size > 0)
            return this.#restart();
        this.#unlink();
        this.#unlisten();
        this.#head = this.#who = undefined; // who comes next begins with what is then the present
    }
    #unlink() {
        this.#link?.close();
        this.#link = undefined;
        this.#linking = undefined;
    }
    #restart() {
        if (this.#link !== undefined)
            this.#link.restart();
        else if (this.#linking === undefined) {
            const client = this.#client();
            this.#unlisten = client.session?.listen(client, () => void this.#identify()) ?? (() => { });
            void this.#identify();
        }
    }
    /** Finds out who calls, and has a stream of theirs. */
    async #identify() {
        const linking = (this.#linking = {});
        const client = this.#client();
        // Who cannot be told now has a stream alone, which tries again, or says why not.
        const who = await client.session?.identify(client).catch(() => undefined);
        if (this.#linking !== linking)
            return;
        this.#link?.close();
        if (this.#who !== undefined && this.#who !== who?.sub)
            this.#forget();
        this.#who = who?.sub ?? "";
        const { tabs = true } = client.events;
        const shared = typeof tabs === "string" ? tabs : tabs ? who?.sid : undefined;
        const makeSource = (party) => new $Source(this.#client, party);
        const name = `kontract events ${$locate(client, "events/").href} ${shared}`;
        this.#link = shared !== undefined && $canShare() ? new $Circle(name, this, makeSource) : makeSource(this);
    }
    /** Whoever calls now has been told nothing yet. */
    #forget() {
        this.#mustReset = true;
        this.#head = undefined;
        for (const { listeners } of this.#tables.values())
            for (const listener of listeners) {
                listener.cursor = undefined;
                listener.isJoined = false;
            }
        for (const topic of this.#lives.values())
            topic.forget();
    }
    wants() {
        const topics = [...this.#tables, ...this.#lives].map(([key, topic]) => [key, topic.ask()]);
        const after = $findFirst([...this.#tables.values()].map((topic) => topic.first()))?.text;
        return { version: this.#version, after, topics: Object.fromEntries(topics) };
    }
    open(event, version) {
        const at = $findPosition(event.id);
        if (at === undefined)
            return;
        this.#covers = version;
        if (this.#head === undefined || $isBefore(this.#head, at))
            this.#head = at;
        for (const topic of this.#lives.values())
            topic.open(this.#head, version);
        for (const topic of this.#tables.values())
            topic.open(this.#head, version);
        if (!this.#mustReset)
            return;
        this.#mustReset = false;
        for (const topic of this.#tables.values())
            topic.reset(at);
    }
    hear({ event, id, data }) {
        if (this.#covers < 0)
            return;
        const cursor = $findPosition(id);
        if (cursor !== undefined && (this.#head === undefined || $isBefore(this.#head, cursor)))
            this.#head = cursor;
        if (event === "live") {
            const parsed = $parseJson(data);
            this.#lives.get(parsed.value.sub)?.hear(parsed);
        }
        else if (event === "stream-reset" && cursor !== undefined) {
            this.#head = cursor;
            for (const topic of this.#tables.values())
                topic.reset(cursor);
        }
        if (cursor === undefined || event === "stream-reset")
            return;
        const parsed = event === "change" ? $parseJson(data).value : undefined;
        for (const [key, topic] of this.#tables)
            topic.move(cursor, key, parsed);
    }
    /** The present stream was opened without what is wanted here. */
    exclude() {
        this.#covers = -1;
        for (const { listeners } of this.#tables.values())
            for (const listener of listeners)
                listener.isJoined = false;
        for (const topic of this.#lives.values())
            topic.exclude();
    }
    lost(error) {
        for (const topic of [...this.#tables.values(), ...this.#lives.values()])
            topic.lost(error);
    }
    fail(key, error) {
        const topic = this.#tables.get(key) ?? this.#lives.get(key);
        this.#tables.delete(key);
        this.#lives.delete(key);
        topic?.fail(error);
        this.#leave();
    }
}
