// Changes of tables and results of calls, followed as they happen.
import { $defaultClient } from "./client.js";
import { $readCursor } from "./events_cursor.js";
import { $findHub } from "./events_hub.js";
/** Follows a table: `subscribe("users", { where: { city: "Rome" }, onInsert: (event) => show(event.data) })`. */
export function subscribe(table, options) {
    return $subscribe($defaultClient, table, options);
}
export function $subscribe(client, table, options) {
    const { where = {}, old = false, after } = options;
    const cursor = after === undefined ? undefined : $readCursor(after);
    const kinds = { insert: options.onInsert, update: options.onUpdate, delete: options.onDelete };
    let isOpen = true;
    let listener;
    const make = (version) => (listener = {
        cursor,
        isJoined: false,
        version,
        opened: (text) => options.onOpen?.(text),
        lost: (error) => options.onLost?.(error),
        change(event) {
            if (isOpen)
                kinds[event.type]?.(event);
            if (isOpen)
                options.onChange?.(event);
        },
        reset: (txid) => options.onReset?.(txid),
        fail: (error) => options.onError?.(error),
    });
    const end = $findHub(client).addTable({ table, where, old }, make);
    return {
        close() {
            isOpen = false;
            end();
        },
        get cursor() {
            return listener?.cursor?.text;
        },
    };
}
/** Follows what a call returns: `live(listUsers, { city: "Rome" }, (users) => show(users))`. */
export function live(call, args, callback, options = {}) {
    return $live($defaultClient, call, args, callback, options);
}
export function $live(client, call, args, callback, options = {}) {
    const found = $inspect(client, call, args);
    let isOpen = true;
    const fail = (error) => {
        if (isOpen)
            options.onError?.(error);
    };
    const listener = {
        opened: (cursor) => isOpen && options.onOpen?.(cursor),
        lost: (error) => isOpen && options.onLost?.(error),
        result: (value) => isOpen && callback(value),
        problem: fail,
        fail,
    };
    const ask = { live: found.procedure.name, args: args ?? {} };
    const end = $findHub(found.client).addLive(ask, found.procedure, listener);
    return {
        close() {
            isOpen = false;
            end();
        },
    };
}
/** Returns what a generated function would call, and with which client. */
function $inspect(client, call, args) {
    let found;
    const inspect = (procedure, own) => void (found = { procedure, client: own });
    const options = { client, inspect };
    void call(args, options);
    if (found === undefined)
        throw new TypeError("live() takes a function of this module or of a client, as it is.");
    return found;
}
/** Makes a store of what a call returns: `const users = liveStore(listUsers, { city: "Rome" });` */
export function liveStore(call, args) {
    return $liveStore($defaultClient, call, args);
}
export function $liveStore(client, call, args) {
    const listeners = new Set();
    let snapshot = { data: undefined, error: undefined, isLive: false };
    let query;
    const set = (changes) => {
        snapshot = { ...snapshot, ...changes };
        for (const { tell } of [...listeners])
            tell(snapshot);
    };
    const setLive = (isLive) => {
        if (snapshot.isLive !== isLive)
            set({ isLive });
    };
    return {
        getSnapshot: () => snapshot,
        subscribe(tell) {
            const listener = { tell };
            listeners.add(listener);
            tell(snapshot);
            query ??= $live(client, call, args, (data) => set({ data, error: undefined }), {
                onError: (error) => set({ error }),
                onOpen: () => setLive(true),
                onLost: () => setLive(false),
            });
            return () => {
                if (!listeners.delete(listener) || listeners.size > 0)
                    return;
                query?.close();
                query = undefined;
                snapshot = { ...snapshot, isLive: false };
            };
        },
    };
}
