// Following with a client of its own.

import type { $Client } from "./client.ts";
import { $live, $liveStore, $subscribe, type live, type liveStore, type subscribe } from "./events.ts";

/** What follows events, with a client's own options. */
export interface KontractEvents {
  readonly subscribe: typeof subscribe;
  readonly live: typeof live;
  readonly liveStore: typeof liveStore;
}

export function $bindEvents(client: $Client): KontractEvents {
  return {
    subscribe: (table, options) => $subscribe(client, table, options),
    live: (call, args, callback, options) => $live(client, call, args, callback, options),
    liveStore: (call, args) => $liveStore(client, call, args),
  };
}
