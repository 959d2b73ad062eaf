// The generated client against a real server.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";

import * as api from "./client.ts";

const server = process.env["KONTRACT_TEST_SERVER"] ?? "";
api.configure({ baseUrl: `${server}/kontract` });

/** Fails the first `times` requests as a broken connection does, and keeps all of them. */
function unreliable(times: number): { fetch: typeof fetch; sent: RequestInit[] } {
  const sent: RequestInit[] = [];
  return {
    sent,
    fetch: async (input, init = {}) => {
      sent.push(init);
      if (sent.length <= times) throw new TypeError("fetch failed");
      return fetch(input, init);
    },
  };
}

const wide = { number: 2n ** 63n - 1n, numbers: [-(2n ** 63n), 1n, 2n ** 53n + 1n] };

test("every type goes there and comes back", async () => {
  const value: api.EverythingInput = {
    flag: true,
    count: -1,
    big: Number.MAX_SAFE_INTEGER,
    ratio: 0.1,
    text: "Grüße, ☃ 😀 </script> \u2028",
    raw: Uint8Array.from({ length: 256 }, (_, index) => index),
    day: "2024-02-29",
    moment: new Date("2024-02-29T12:30:15.123Z"),
    clock: "23:59:59.999999",
    span: "P1DT3S",
    price: "12345678901234567890.10",
    uuid: "80000000-0000-0000-0000-000000000001",
    colour: api.Colour.DARK_GREEN,
    legs: api.Legs.FOUR,
    choice: null,
    maybe: null,
    union: [1],
    numbers: [Number.MIN_SAFE_INTEGER],
    pair: [1, "one"],
    row: ["0001-01-01", "9999-12-31"],
    unique: [3],
    by_name: JSON.parse('{"__proto__": "0.10"}') as Record<string, string>,
    anything: { deep: [{ er: 2n ** 70n }], none: null },
    pet: { kind: "dog", name: "Rex", friends: [{ kind: "cat", name: "Tom", lives: 9 }] },
    keeper: { name: "Zoë", born: "1990-01-01" },
    tree: { value: 1, children: [{ value: 2, children: [] }] },
    page: { items: [{ kind: "cat", name: "Kit", lives: 1 }], total: 10 },
  };
  const echoed = await api.zooEcho({ value });
  assert.deepEqual(echoed, value);
  assert.ok(echoed.moment instanceof Date && echoed.raw instanceof Uint8Array);
});

test("integers beyond what numbers hold are exact where the type tells of them, and refused elsewhere", async () => {
  assert.deepEqual(await api.labWide(wide), [wide.number, wide.numbers]);
  const error = await api.labTooWide().catch((caught: unknown) => caught);
  assert.ok(
    error instanceof api.KontractProtocolError && /9007199254740992 is beyond/.test(error.detail),
    String(error),
  );
});

test("unions, recursion and dangerous names are converted where they should be", async () => {
  const taken = new Date("2024-02-29T01:02:03Z");
  const args: api.LabUnionsArgs = {
    samples: [{ taken: "a text" }, { taken, content: new Uint8Array([1, 2]), number: 5n }],
    loose: [taken, "2024-02-29", 7, null],
    chain: { at: taken, next: { at: taken, next: null } },
  };
  const [samples, loose, chain, byName] = await api.labUnions(args);
  assert.deepEqual([samples, loose, chain], [args.samples, args.loose, args.chain]);
  assert.deepEqual(Object.entries(byName), [["__proto__", taken]]);
  assert.equal((await api.labNaive()).toISOString(), "2024-02-29T12:00:00.123Z");
});

test("reserved words, defaults and nothing at all", async () => {
  const words: api.Words = { class: "a", from: 1, function: true, "a-b": "c", list: ["d"] };
  assert.deepEqual(await api.zooWords({ words, self: 1, await_: true, default: "e" }), words);
  assert.equal(await api.delete_(), "deleted");
  assert.equal(await api.zooNothing(), null);
  assert.deepEqual(await api.zooPositional({ first: 1, third: 3 }), [1, 2, 3]);
  assert.deepEqual(await api.zooDefaults({ plain: 1, text: undefined, day: null }), {
    plain: 1,
    text: 'a "quote"',
    colours: ["red"],
    day: null,
  });
  assert.deepEqual(await api.zooAny({ value: [1, { a: 2n ** 60n }], by_colour: { red: 1 } }), [1, { a: 2n ** 60n }]);
});

test("a declared error is its class, with typed members", async () => {
  const cage = Math.floor(Math.random() * 2 ** 31);
  const put = await api.zooPut({ cage, pet: { kind: "cat", name: "Tom" } });
  assert.deepEqual(put, { name: "Tom", kind: "cat" });
  const error = await api.zooPut({ cage, pet: { kind: "cat", name: "Tim" } }).catch((caught: unknown) => caught);
  assert.ok(error instanceof api.CageOccupied && error instanceof api.KontractProblem && error instanceof Error);
  const since: Date = error.problem.since;
  assert.equal(since.toISOString(), "2024-02-29T12:30:15.123Z");
  assert.deepEqual(
    [error.code, error.status, error.problem.cage, error.problem.by.kind],
    ["cage_occupied", 409, cage, "cat"],
  );
  assert.equal(error.message, "There is an animal in this cage already.");
});

test("other problems have a code, a status and what the server says of them", async () => {
  const wrong = { first: "one", third: 3 } as unknown as api.ZooPositionalArgs;
  const error = await api.zooPositional(wrong).catch((caught: unknown) => caught);
  assert.ok(error instanceof api.KontractProblem && !(error instanceof api.ZooClosed));
  assert.deepEqual([error.code, error.status, error.name], ["invalid_arguments", 422, "KontractProblem"]);
  assert.match(error.detail, /zoo_positional\(\) cannot take first/);
  await assert.rejects(api.zooRestricted(), { code: "authentication_required", status: 401 });
  await assert.rejects(api.zooFail({ how: "bug" }), { code: "internal_error", status: 500 });
});

test("what is no answer of kontract is told apart", async () => {
  const broken = api.createClient({ baseUrl: `${server}/broken`, retries: 0 });
  await assert.rejects(broken.zooNothing(), {
    name: "KontractProtocolError",
    code: "unexpected_response",
    status: 502,
  });
  await assert.rejects(broken.labCounted({ client: "x" }), { code: "unexpected_response", status: 200 });
  const nobody = api.createClient({ baseUrl: "http://127.0.0.1:1", retries: 0 });
  await assert.rejects(nobody.zooNothing(), { name: "KontractNetworkError", code: "network_error", status: 0 });
  await assert.rejects(api.createClient({ baseUrl: "/kontract" }).zooNothing(), /is no absolute URL/);
});

test("read-only calls are repeated when nobody knows whether they arrived", async () => {
  const { fetch, sent } = unreliable(2);
  const client = api.createClient({ baseUrl: `${server}/kontract`, fetch });
  assert.equal(await client.zooTree({ root: { value: 1 } }), 1);
  assert.deepEqual(
    sent.map(({ method }) => method),
    ["GET", "GET", "GET"],
  );
});

test("writing calls are repeated with one idempotency key, and so happen once", async () => {
  const name = randomUUID();
  const sent: Headers[] = [];
  const client = api.createClient({
    baseUrl: `${server}/kontract`,
    fetch: async (input, init = {}) => {
      sent.push(new Headers(init.headers));
      const response = await fetch(input, init);
      if (sent.length === 1) throw new TypeError("the answer was lost"); // the server has done it
      return response;
    },
  });
  const replays: boolean[] = [];
  assert.equal(await client.labCount({ client: name }, { onResponse: ({ isReplay }) => replays.push(isReplay) }), 1);
  const [first, second] = sent.map((headers) => headers.get("Idempotency-Key"));
  assert.ok(first !== null && first === second && sent.length === 2);
  assert.deepEqual(replays, [true]);
  assert.equal(await api.labCounted({ client: name }), 1);
});

test("the caller's idempotency key makes calls one call", async () => {
  const client = randomUUID();
  const idempotencyKey = randomUUID();
  assert.equal(await api.labCount({ client }, { idempotencyKey }), 1);
  assert.equal(await api.labCount({ client }, { idempotencyKey }), 1);
  const other = api.labCount({ client: randomUUID() }, { idempotencyKey });
  await assert.rejects(other, { code: "idempotency_key_reused", status: 422 });
});

test("without retries there is no key, and no second try of what may have happened", async () => {
  const { fetch, sent } = unreliable(1);
  const client = api.createClient({ baseUrl: `${server}/kontract`, fetch, retries: 0 });
  await assert.rejects(client.labCount({ client: "never" }), api.KontractNetworkError);
  assert.equal(sent.length, 1);
  assert.equal(new Headers(sent[0]?.headers).has("Idempotency-Key"), false);
});

test("what may have happened and has no key is not repeated: writing downloads and streams", async () => {
  const client = randomUUID();
  for (const run of [
    (bound: api.KontractClient) => bound.labExport({ client }),
    (bound: api.KontractClient) => bound.labImport({ client }).next(),
  ]) {
    const { fetch, sent } = unreliable(1);
    await assert.rejects(run(api.createClient({ baseUrl: `${server}/kontract`, fetch })), api.KontractNetworkError);
    assert.equal(sent.length, 1);
  }
  const broken = api.createClient({ baseUrl: `${server}/broken`, retries: 1 });
  await assert.rejects(broken.labExport({ client }), { status: 404 });
  assert.equal(await (await api.labExport({ client })).text(), "exported");
  assert.deepEqual(await api.labImport({ client }).next(), { done: false, value: 2 });
});

test("503 is tried again after the time that the server asks for, within the timeout", async () => {
  const client = randomUUID();
  const started = Date.now();
  const [key] = await api.labFlakyWrite({ client, times: 1 });
  assert.ok(Date.now() - started >= 990, "Retry-After says 1 second");
  assert.match(key ?? "", /^[0-9a-f]{32}$/);
  assert.equal(await api.labCounted({ client }), 1);
  const late = api.labFlakyWrite({ client: randomUUID(), times: 9 }, { timeout: 500 });
  await assert.rejects(
    late,
    (error) => error instanceof api.Busy && error.problem.failed === 1 && error.retryAfter === 1,
  );
});

test("timeout and cancellation are told apart, and reach the server", async () => {
  const slow = { client: randomUUID(), seconds: 20 };
  assert.equal(await api.labSlow({ ...slow, seconds: 0 }, { timeout: Infinity }), "awake");
  await assert.rejects(api.labSlow(slow, { timeout: 100 }), {
    name: "KontractTimeoutError",
    code: "timeout",
    status: 0,
  });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("the user left")), 100);
  const error = await api.labSlow(slow, { signal: controller.signal }).catch((caught: unknown) => caught);
  assert.ok(error instanceof api.KontractAbortError && error.name === "AbortError");
  assert.equal((error.cause as Error).message, "the user left");
  await assert.rejects(api.labSlow(slow, { signal: AbortSignal.abort() }), api.KontractAbortError);
  await waitUntilCancelled(slow.client);
});

async function waitUntilCancelled(client: string): Promise<void> {
  for (let tries = 0; !(await api.labCancelled({ client })); tries++) {
    assert.ok(tries < 100, "the server goes on");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a stream gives its items as they come, converted", async () => {
  const numbers: number[] = [];
  for await (const number of api.zooCount({ to: 1000 })) numbers.push(number);
  assert.deepEqual(
    numbers,
    Array.from({ length: 1000 }, (_, index) => index),
  );
  const names: string[] = [];
  for await (const pet of api.zooParade({ names: ["Ä\n", "b"] })) names.push(pet.kind === "dog" ? pet.name : "");
  assert.deepEqual(names, ["Ä\n", "b"]);
});

test("a stream that fails or breaks off is an error, after the items before", async () => {
  const collect = async (stream: AsyncIterable<number>): Promise<[number[], unknown]> => {
    const items: number[] = [];
    try {
      for await (const item of stream) items.push(item);
      return [items, undefined];
    } catch (error) {
      return [items, error];
    }
  };
  const [items, failure] = await collect(api.zooCount({ to: 9, fail_at: 2 }));
  assert.deepEqual(items, [0, 1]);
  assert.ok(failure instanceof api.ZooClosed);
  const broken = api.createClient({ baseUrl: `${server}/broken` });
  const [before, cut] = await collect(broken.zooCount({ to: 9 }));
  assert.deepEqual(before, [0, 1]);
  assert.ok(cut instanceof api.KontractProtocolError && cut.code === "truncated_stream");
});

test("whoever leaves a stream, by break or by signal, ends it on the server", async () => {
  const left = randomUUID();
  for await (const moment of api.labTicks({ client: left })) {
    assert.ok(moment instanceof Date);
    break;
  }
  const cancelled = randomUUID();
  const controller = new AbortController();
  const stream = api.labTicks({ client: cancelled }, { signal: controller.signal, timeout: 5000 });
  await stream.next();
  controller.abort();
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, api.KontractAbortError);
  await waitUntilCancelled(left);
  await waitUntilCancelled(cancelled);
});

test("files go up and come down", async () => {
  const photo = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
  const more = [new File(["eins"], "ä.txt"), new Blob(["zwei"])];
  const digests = await api.zooUpload({ photo, title: "Ü", taken: "2024-02-29", more });
  const sha256 = createHash("sha256").update(photo).digest("hex");
  assert.deepEqual(digests[0], { name: "photo", size: 70_000, sha256 });
  assert.deepEqual(
    digests.map(({ name }) => name),
    ["photo", "ä.txt", "more"],
  );

  const download = await api.zooDownload({ size: 1000, name: "Zoo – 1.bin" });
  assert.deepEqual([download.filename, download.size], ["Zoo – 1.bin", 1000]);
  assert.equal(download.contentType, "application/octet-stream");
  assert.equal((await download.bytes())[255], 255);
  assert.equal((await (await api.zooDownload({ size: 10 })).blob()).size, 10);
  const unwanted = await api.zooDownload({ size: 100_000 });
  unwanted.cancel();
  await assert.rejects(unwanted.bytes(), api.KontractAbortError);
  const reader = (await api.zooDownload({ size: 10 })).stream.getReader();
  assert.equal((await reader.read()).value?.length, 10);
  await assert.rejects(api.zooDownload({ size: -1 }), { code: "invalid_arguments" });
});

test("a batch is one request, and each call in it has its own end", async () => {
  const { fetch, sent } = unreliable(0);
  const client = api.createClient({ baseUrl: `${server}/kontract`, fetch });
  const [count, wideOnes, tooWide, refused] = await client.batch((b) => [
    client.labCount({ client: randomUUID() }, b),
    client.labWide(wide, b),
    client.labTooWide({}, b),
    client.zooPositional({ first: 1, second: 11, third: 3 }, b),
  ]);
  assert.equal(sent.length, 1);
  assert.deepEqual(count, { status: "fulfilled", value: 1 });
  assert.ok(wideOnes.status === "fulfilled" && wideOnes.value[0] === wide.number);
  assert.ok(tooWide.status === "rejected" && tooWide.reason instanceof api.KontractProtocolError);
  assert.ok(refused.status === "rejected" && (refused.reason as api.KontractError).code === "invalid_arguments");
  assert.deepEqual(await api.batch(() => []), []);
});

test("a batch refuses what it cannot do, before it is sent", async () => {
  await assert.rejects(
    api.batch((b) => [api.labCounted({ client: "x" }, { ...b, asOf: 1 })]),
    /takes no asOf/,
  );
  const other = api.createClient({ baseUrl: `${server}/kontract` });
  await assert.rejects(
    api.batch((b) => [other.labCounted({ client: "x" }, b)]),
    /its own client/,
  );
  let kept: { batch: api.KontractBatch } | undefined;
  await api.batch((b) => [api.labCounted({ client: "x" }, (kept = b))]);
  assert.throws(() => api.labCounted({ client: "x" }, kept), /sent already/);
});

test("a batch that does not arrive rejects, as do its calls", async () => {
  const client = api.createClient({ baseUrl: "http://127.0.0.1:1", retries: 1 });
  let call: Promise<number> | undefined;
  const whole = client.batch((b) => [(call = client.labCounted({ client: "x" }, b))]);
  await assert.rejects(whole, api.KontractNetworkError);
  await assert.rejects(call ?? Promise.resolve(0), api.KontractNetworkError);
});

test("the past, a dry run, and where a call stands in the order of commits", async () => {
  const client = randomUUID();
  const txids: (number | undefined)[] = [];
  const onResponse = ({ txid }: api.KontractResponse): void => void txids.push(txid);
  await api.labCount({ client }, { onResponse });
  await api.labCount({ client }, { onResponse });
  const [first, second] = txids;
  assert.ok(first !== undefined && second !== undefined && first < second);
  assert.equal(await api.labCounted({ client }, { asOf: first }), 1);
  await assert.rejects(api.labCounted({ client }, { asOf: "no moment" }), { code: "invalid_snapshot" });
  const trial = await api.dryRun(api.labCount, { client });
  assert.equal(trial.result, 3);
  assert.deepEqual(trial.changes[0], {
    table: "lab_counts",
    id: client,
    op: "update",
    before: { n: 2 },
    after: { n: 3 },
  });
  assert.equal(await api.labCounted({ client }), 2);
});

test("headers and tokens go along; a call's own win", async () => {
  const client = api.createClient({
    baseUrl: `${server}/kontract/`,
    token: async () => "secret",
    headers: () => ({ "X-Of-All": "all", "X-Both": "all" }),
  });
  const names = ["Authorization", "X-Of-All", "X-Both"];
  assert.deepEqual(await client.labHeaders({ names }, { headers: { "X-Both": "own" } }), {
    Authorization: "Bearer secret",
    "X-Of-All": "all",
    "X-Both": "own",
  });
});

test("long arguments go as POST, as all do where URLs shall not have them", async () => {
  const { fetch, sent } = unreliable(0);
  const client = api.createClient({ baseUrl: `${server}/kontract`, fetch });
  const names = Array.from({ length: 500 }, () => "Zoë");
  assert.equal((await client.zooPages({ names })).total, 500);
  await api.createClient({ baseUrl: `${server}/kontract`, fetch, useGet: false }).zooNothing();
  assert.deepEqual(
    sent.map(({ method }) => method),
    ["POST", "POST"],
  );
});
