// Changes of tables and results of calls, followed as they happen.

import type { $AnyOptions, $Procedure, ReadOptions } from "./calls.ts";
import { $defaultClient, type $Client } from "./client.ts";
import { $readCursor } from "./events_cursor.ts";
import { $findHub } from "./events_hub.ts";
import type { $TableListener, KontractEvent } from "./events_topics.ts";

/** What is told of the stream that brings the events. */
export interface ConnectionOptions {
  /** Is told of each stream that is opened, and where it goes on from. */
  onOpen?: ((cursor: string) => void) | undefined;
  /**
   * Is told once, and why, when there is no stream any more, or when the first one cannot be opened. It is tried again:
   * `onOpen` is told then, and nothing is missed.
   */
  onLost?: ((error: unknown) => void) | undefined;
}

/** What is told of a table. */
export interface SubscribeOptions<T = { readonly [field: string]: unknown }> extends ConnectionOptions {
  /** Conditions that documents meet, all of them: `{ city: "Rome", age__gte: 18 }`. */
  where?: { readonly [lookup: string]: unknown } | undefined;
  /** Whether updates tell the document before, too. */
  old?: boolean | undefined;
  /** Where to begin: a cursor, or the txid of a read. Else with the present. */
  after?: string | number | undefined;
  onInsert?: ((event: KontractEvent<T>) => void) | undefined;
  onUpdate?: ((event: KontractEvent<T>) => void) | undefined;
  onDelete?: ((event: KontractEvent<T>) => void) | undefined;
  /** Is told of each of these, after them. */
  onChange?: ((event: KontractEvent<T>) => void) | undefined;
  /** What follows cannot be told, since history was removed: read everything anew; the subscription goes on. */
  onReset?: ((txid: number) => void) | undefined;
  /** The server refuses the subscription, which has ended. */
  onError?: ((error: unknown) => void) | undefined;
}

export interface KontractSubscription {
  close(): void;
  /** The position up to which everything was told; undefined before the first stream is open. */
  readonly cursor: string | undefined;
}

/** Follows a table: `subscribe("users", { where: { city: "Rome" }, onInsert: (event) => show(event.data) })`. */
export function subscribe<T = { readonly [field: string]: unknown }>(
  table: string,
  options: SubscribeOptions<T>,
): KontractSubscription {
  return $subscribe($defaultClient, table, options);
}

export function $subscribe<T>(client: $Client, table: string, options: SubscribeOptions<T>): KontractSubscription {
  const { where = {}, old = false, after } = options;
  const cursor = after === undefined ? undefined : $readCursor(after);
  const kinds = { insert: options.onInsert, update: options.onUpdate, delete: options.onDelete };
  let isOpen = true;
  let listener: $TableListener | undefined;
  const make = (version: number): $TableListener =>
    (listener = {
      cursor,
      isJoined: false,
      version,
      opened: (text) => options.onOpen?.(text),
      lost: (error) => options.onLost?.(error),
      change(event) {
        if (isOpen) kinds[event.type]?.(event as KontractEvent<T>);
        if (isOpen) options.onChange?.(event as KontractEvent<T>);
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

type $Query<A, T> = (args: A, options?: ReadOptions) => Promise<T>;

export interface LiveOptions extends ConnectionOptions {
  /** Is told of each failure of the procedure, and of what ends the query. */
  onError?: ((error: unknown) => void) | undefined;
}

export interface KontractLive {
  close(): void;
}

/** Follows what a call returns: `live(listUsers, { city: "Rome" }, (users) => show(users))`. */
export function live<A, T>(
  call: $Query<A, T>,
  args: A,
  callback: (result: T) => void,
  options: LiveOptions = {},
): KontractLive {
  return $live($defaultClient, call, args, callback, options);
}

export function $live<A, T>(
  client: $Client,
  call: $Query<A, T>,
  args: A,
  callback: (result: T) => void,
  options: LiveOptions = {},
): KontractLive {
  const found = $inspect(client, call, args);
  let isOpen = true;
  const fail = (error: unknown): void => {
    if (isOpen) options.onError?.(error);
  };
  const listener = {
    opened: (cursor: string) => isOpen && options.onOpen?.(cursor),
    lost: (error: unknown) => isOpen && options.onLost?.(error),
    result: (value: unknown) => isOpen && callback(value as T),
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
function $inspect<A, T>(client: $Client, call: $Query<A, T>, args: A): { procedure: $Procedure; client: $Client } {
  let found: { procedure: $Procedure; client: $Client } | undefined;
  const inspect = (procedure: $Procedure, own: $Client): void => void (found = { procedure, client: own });
  const options: $AnyOptions = { client, inspect };
  void (call as (args: A, options: $AnyOptions) => unknown)(args, options);
  if (found === undefined) throw new TypeError("live() takes a function of this module or of a client, as it is.");
  return found;
}

/** What a live query has come to. `data` stays what it was while there is an `error`, and while it is not `isLive`. */
export interface KontractSnapshot<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  /** Whether there is a stream; else `data` may be old, until there is one again. */
  readonly isLive: boolean;
}

/** A live query as a store: of React (`useSyncExternalStore`), Vue and Svelte. */
export interface KontractStore<T> {
  /** Tells of the present at once, and of what follows; the query runs while somebody listens. */
  readonly subscribe: (listener: (snapshot: KontractSnapshot<T>) => void) => () => void;
  /** Returns the present, which is the same object until something changes. */
  readonly getSnapshot: () => KontractSnapshot<T>;
}

/** Makes a store of what a call returns: `const users = liveStore(listUsers, { city: "Rome" });` */
export function liveStore<A, T>(call: $Query<A, T>, args: A): KontractStore<T> {
  return $liveStore($defaultClient, call, args);
}

export function $liveStore<A, T>(client: $Client, call: $Query<A, T>, args: A): KontractStore<T> {
  const listeners = new Set<{ readonly tell: (snapshot: KontractSnapshot<T>) => void }>();
  let snapshot: KontractSnapshot<T> = { data: undefined, error: undefined, isLive: false };
  let query: KontractLive | undefined;
  const set = (changes: Partial<KontractSnapshot<T>>): void => {
    snapshot = { ...snapshot, ...changes };
    for (const { tell } of [...listeners]) tell(snapshot);
  };
  const setLive = (isLive: boolean): void => {
    if (snapshot.isLive !== isLive) set({ isLive });
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
        if (!listeners.delete(listener) || listeners.size > 0) return;
        query?.close();
        query = undefined;
        snapshot = { ...snapshot, isLive: false };
      };
    },
  };
}
