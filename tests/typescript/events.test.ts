// Following tables and live queries of a real server; the server's side of the test writes what is asked for here.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";

import * as api from "./client.ts";

const base = process.env["KONTRACT_TEST_SERVER"] ?? "";
api.configure({ baseUrl: `${base}/kontract`, ...(JSON.parse(process.env["KONTRACT_TEST_OPTIONS"] ?? "{}") as object) });

/** Tells the other side, in one line. */
function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

const open = new Map<string, { close(): void }>();

type $Command = { readonly do: string; readonly name: string; readonly [argument: string]: unknown };

const commands: { readonly [name: string]: (command: $Command) => unknown } = {
  subscribe({ name, table, ...options }) {
    const subscription = api.subscribe(String(table), {
      ...options,
      onInsert: ({ id, data, cursor }) => say({ name, on: "insert", id, data, cursor }),
      onUpdate: ({ id, data, old, cursor }) => say({ name, on: "update", id, data, old, cursor }),
      onDelete: ({ id, data, cursor }) => say({ name, on: "delete", id, data, cursor }),
      onChange: ({ at, txid }) => assert.ok(at instanceof Date && txid > 0 && subscription.cursor !== undefined),
      onReset: (txid) => say({ name, on: "reset", txid }),
      onOpen: (cursor) => say({ name, on: "open", cursor }),
      onLost: (error) => say({ name, on: "lost", code: (error as api.KontractError).code }),
      onError: (error) => say({ name, on: "error", code: (error as api.KontractError).code }),
    });
    open.set(name, subscription);
  },
  live({ name, args }) {
    const query = api.live(api.liveUsers, args as api.LiveUsersArgs, (result) => say({ name, on: "result", result }), {
      onOpen: () => say({ name, on: "open" }),
      onLost: (error) => say({ name, on: "lost", code: (error as api.KontractError).code }),
      onError: (error) => say({ name, on: "error", code: (error as api.KontractError).code }),
    });
    open.set(name, query);
  },
  one({ name, id }) {
    const query = api.live(api.liveUser, { user_id: String(id) }, (result) => say({ name, on: "result", result }), {
      onError: (error) => say({ name, on: "error", isTyped: error instanceof api.Missing }),
    });
    open.set(name, query);
  },
  store({ name }) {
    const store = api.liveStore(api.liveUsers, {});
    const stop = store.subscribe((snapshot) => {
      assert.equal(snapshot, store.getSnapshot());
      say({ name, on: "snapshot", data: snapshot.data ?? null, isLive: snapshot.isLive });
    });
    open.set(name, { close: stop });
  },
  close({ name }) {
    open.get(name)?.close();
    say({ name, on: "closed" });
  },
  async sign({ name }) {
    say({ name, on: "signed", id: (await api.auth.anonymous()).id });
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line) as $Command;
  void commands[command.do]?.(command);
});
lines.on("close", () => process.exit());
