// Signing in with the generated client, in node, against a real server.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as api from "./client.ts";

const server = process.env["KONTRACT_TEST_SERVER"] ?? "";
const PASSWORD = "analytical engine";

function make(options: api.ClientOptions = {}): api.KontractClient {
  return api.createClient({ baseUrl: `${server}/kontract`, ...options });
}

async function read(path: string, init: RequestInit = {}): Promise<{ readonly [name: string]: number }> {
  return (await (await fetch(`${server}/${path}`, init)).json()) as { readonly [name: string]: number };
}

/** Returns how many requests of each kind come to the server while something runs. */
async function counted(run: () => Promise<unknown>): Promise<{ [name: string]: number }> {
  const before = await read("counts");
  await run();
  const after = Object.entries(await read("counts"));
  return Object.fromEntries(after.map(([name, number]) => [name, number - (before[name] ?? 0)]));
}

/** Has the server refuse the access tokens of a client, but not its session. */
async function voidTokens({ auth }: api.KontractClient): Promise<void> {
  await read(`void/${auth.principal?.id}`, { method: "POST" });
}

function at20<T>(call: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: 20 }, call));
}

function kept(): api.TokenStorage & { token: string | undefined } {
  return {
    token: undefined,
    async load() {
      return this.token;
    },
    async save(token) {
      this.token = token;
    },
    async clear() {
      this.token = undefined;
    },
  };
}

const owner = async (client: api.KontractClient): Promise<unknown> => (await client.whoAmI())["owner"];

test("a visitor becomes a user and keeps the id", async () => {
  const client = make();
  const seen: (string | undefined)[] = [];
  const stop = client.auth.onChange((principal) => seen.push(principal?.email ?? principal?.id));
  assert.equal(await client.auth.me(), null);
  const visitor = await client.auth.anonymous();
  assert.equal(await owner(client), visitor.id);
  const email = `${visitor.id}@example.com`;
  const linked = await client.auth.link({ email, password: PASSWORD });
  assert.deepEqual([linked.id, linked.is_anonymous], [visitor.id, false]);
  assert.deepEqual(await client.auth.me(), linked);
  assert.deepEqual((await client.auth.sessions()).map(({ is_current }) => is_current), [true]);
  const other = make();
  assert.equal((await other.auth.login({ email, password: PASSWORD })).id, visitor.id);
  assert.equal(await client.auth.logout("others"), 1);
  await client.auth.password(PASSWORD, "difference engine");
  assert.equal(await client.auth.logout(), 1);
  assert.equal(await client.auth.logout(), 0);
  assert.equal(client.auth.principal, undefined);
  stop();
  await client.auth.login({ email, password: "difference engine" });
  assert.deepEqual(seen, [visitor.id, email, undefined]);
});

test("what a visitor owns is moved to an account, and back", async () => {
  const client = make();
  await client.auth.anonymous();
  const source = (await client.auth.token()) ?? "";
  await make().auth.register({ email: "merge@example.com", password: PASSWORD });
  await client.auth.login({ email: "merge@example.com", password: PASSWORD });
  assert.equal((await client.auth.merge(source)).is_done, false);
  const { principal, is_done } = await client.auth.merge(source, { commit: true });
  assert.equal(is_done, true);
  assert.equal((await client.auth.unmerge(principal)).principal.id, principal);
});

test("declared errors are classes, and change nothing", async () => {
  const client = make();
  const visitor = await client.auth.anonymous();
  await assert.rejects(client.auth.register({ email: "x@example.com", password: PASSWORD }), api.AlreadySignedInError);
  await assert.rejects(client.auth.anonymous(), api.AlreadySignedInError);
  await assert.rejects(
    client.auth.login({ email: "nobody@example.com", password: PASSWORD }),
    api.InvalidCredentialsError,
  );
  assert.equal(await owner(client), visitor.id);
});

test("twenty calls that are refused cost one refresh", async () => {
  const client = make();
  const visitor = await client.auth.anonymous();
  await voidTokens(client);
  let owners: unknown[] = [];
  const seen = await counted(async () => (owners = await at20(() => owner(client))));
  assert.equal(seen["auth_refresh"], 1);
  assert.equal(seen["who_am_i"], 40);
  assert.deepEqual([...new Set(owners)], [visitor.id]);
});

test("calls of all kinds are sent again: batches, streams, uploads, downloads", async () => {
  const client = make({ retries: 0 });
  await client.auth.anonymous();
  const calls = [
    async () => (await client.batch((b) => [client.whoAmI({}, b)]))[0].status === "fulfilled",
    async () => {
      for await (const number of client.zooCount({ to: 3 })) return number >= 0;
      return false;
    },
    async () => (await client.zooUpload({ photo: new Blob(["photo"]), title: "" }))[0]?.size === 5,
    async () => (await (await client.zooDownload({ size: 3 })).bytes()).length === 3,
  ];
  for (const call of calls) {
    await voidTokens(client);
    assert.ok(await call());
  }
});

test("a token is renewed before it expires", async () => {
  const client = make();
  await client.auth.anonymous();
  const { now } = Date;
  Date.now = () => now() + 571_000; // of 600
  try {
    const seen = await counted(() => at20(() => owner(client)));
    assert.deepEqual([seen["auth_refresh"], seen["who_am_i"]], [1, 20]);
  } finally {
    Date.now = now;
  }
});

test("nobody's first calls make one principal, where that is wished", async () => {
  const client = make({ auth: { anonymous: "auto" } });
  assert.equal(await client.auth.me(), null);
  let owners: unknown[] = [];
  const seen = await counted(async () => (owners = await at20(() => owner(client))));
  assert.equal(seen["auth_anonymous"], 1);
  assert.deepEqual([...new Set(owners)], [client.auth.principal?.id]);
  assert.equal(await owner(make()), "");
});

test("the module's functions have a session of their own", async () => {
  api.configure({ baseUrl: `${server}/kontract` });
  const visitor = await api.auth.anonymous();
  api.configure({ timeout: 10_000 });
  assert.equal((await api.whoAmI())["owner"], visitor.id);
  api.configure({ auth: { anonymous: "auto" } });
  assert.equal((await api.whoAmI())["owner"], visitor.id);
});

test("calls that are under way while the visitor becomes a user all succeed", async () => {
  const client = make();
  const visitor = await client.auth.anonymous();
  const credentials = { email: `${visitor.id}@example.com`, password: PASSWORD };
  const [, ...owners] = await Promise.all([client.auth.link(credentials), ...Array.from({ length: 20 }, () => owner(client))]);
  assert.deepEqual([...new Set(owners)], [visitor.id]);
});

test("a storage of one's own outlives the client", async () => {
  const storage = kept();
  const visitor = await make({ auth: { storage } }).auth.anonymous();
  const client = make({ auth: { storage, anonymous: "auto" } });
  assert.equal(await owner(client), visitor.id);
  await client.auth.logout();
  assert.equal(storage.token, undefined);
  assert.notEqual(await owner(client), visitor.id);
});

test("a stolen refresh token ends the session, and whose it was is told once", async () => {
  const storage = kept();
  const client = make({ auth: { storage, anonymous: "auto" } });
  const visitor = await client.auth.anonymous();
  const stolen = storage.token;
  await client.auth.refresh();
  await client.auth.refresh();
  const loot = { ...kept(), token: stolen };
  const thief = make({ auth: { storage: loot } });
  assert.equal(await thief.auth.me(), null);
  await new Promise((resolve) => setTimeout(resolve, 600)); // what the server's process knows of the session
  const changes: unknown[] = [];
  client.auth.onChange((principal) => changes.push(principal));
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => client.whoAmI()));
  const codes = results.map((one) => (one.status === "rejected" ? (one.reason as api.KontractError).code : "done"));
  assert.deepEqual([...new Set(codes)], ["invalid_token"]);
  assert.deepEqual([changes, storage.token], [[undefined], undefined]);
  assert.notEqual(await owner(client), visitor.id);
});

test("a call ends at its own time, and the renewal that others wait for goes on", async () => {
  let release: () => void = () => {};
  const hold = new Promise<void>((resolve) => (release = resolve));
  const client = make({
    fetch: async (input, init) => {
      if (String(input).endsWith("auth_refresh")) await hold;
      return fetch(input, init);
    },
  });
  const visitor = await client.auth.anonymous();
  await voidTokens(client);
  const patient = owner(client);
  await assert.rejects(client.whoAmI({}, { timeout: 200 }), api.KontractTimeoutError);
  const controller = new AbortController();
  const cancelled = client.whoAmI({}, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(cancelled, api.KontractAbortError);
  release();
  assert.equal(await patient, visitor.id);
});

test("a renewal that does not arrive is tried again, and signs nobody out", async () => {
  let failures = 0;
  const client = make({
    retries: 1,
    fetch: async (input, init) => {
      if (!String(input).endsWith("auth_refresh") || failures-- <= 0) return fetch(input, init);
      await fetch(input, init); // it arrives, and the answer is lost
      throw new TypeError("fetch failed");
    },
  });
  const visitor = await client.auth.anonymous();
  await voidTokens(client);
  failures = 1;
  assert.equal(await owner(client), visitor.id);
  await voidTokens(client);
  failures = 4;
  await assert.rejects(client.whoAmI(), api.KontractNetworkError);
  assert.equal(client.auth.principal?.id, visitor.id);
  failures = 0;
  assert.equal(await owner(client), visitor.id);
});

test("a token of one's own goes instead", async () => {
  const signed = make();
  const visitor = await signed.auth.anonymous();
  const client = make({ token: (await signed.auth.token()) ?? "", auth: { anonymous: "auto" } });
  assert.equal(await owner(client), visitor.id);
  assert.equal(client.auth.principal, undefined);
  await assert.rejects(make({ token: "nonsense" }).whoAmI(), { code: "invalid_token", status: 401 });
});
