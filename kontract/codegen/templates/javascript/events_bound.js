// Following with a client of its own.
import { $live, $liveStore, $subscribe } from "./events.js";
export function $bindEvents(client) {
    return {
        subscribe: (table, options) => $subscribe(client, table, options),
        live: (call, args, callback, options) => $live(client, call, args, callback, options),
        liveStore: (call, args) => $liveStore(client, call, args),
    };
}
