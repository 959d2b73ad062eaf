// The generated client through the encrypted channel of real servers, of which each request meets another.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import * as api from "./client.ts";

const servers = (process.env["KONTRACT_TEST_SERVERS"] ?? "").split(",");
const impostor = process.env["KONTRACT_TEST_IMPOSTOR"] ?? "";
const baseUrl = `${servers[0]}/kontract`;

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
  readonly type: number;
}

type Tamper = (frame: Uint8Array, type: number) => Uint8Array;

/** Returns a client whose requests go to the servers in turns, and what it has sent; `tamper` changes it on its way. */
function connect(options: api.ClientOptions = {}, tamper: Tamper = (frame) => frame) {
  const sent: Sent[] = [];
  const statuses: number[] = [];
  const fetch_: typeof fetch = async (input, init = {}) => {
    const frame = init.body as Uint8Array;
    sent.push({ url: String(input), init, type: frame[1] ?? 0 });
    const turn = servers[sent.length % servers.length] ?? "";
    const body = tamper(frame.slice(), frame[1] ?? 0);
    const outer = await fetch(String(input).replace(servers[0] ?? "", turn), { ...init, body: body as never });
    statuses.push(outer.status);
    return outer;
  };
  const client = api.createClient({ baseUrl, fetch: fetch_, ...options });
  return { client, sent, statuses, types: () => sent.map(({ type }) => type) };
}

const INIT = 1;
const RESUME = 3;
const REQUEST = 0x10;
const suites: { readonly [name: string]: api.RaystreamOptions } = {
  "the suite of WebCrypto": api.raystreamPins,
  "the suite of @noble/ciphers": { ...api.raystreamPins, chacha20poly1305, block: 256 },
};

function count(found: readonly number[], wanted: number): number {
  return found.filter((type) => type === wanted).length;
}

for (const [name, raystream] of Object.entries(suites)) {
  test(`${name}: calls of every kind, several at once, over two servers, in sessions that are resumed`, async () => {
    const { client, sent, types } = connect({ raystream, token: "secret" });
    const id = randomUUID();
    for (let round = 1; round <= 14; round++) assert.equal(await client.labCount({ client: id }), round);
    assert.ok(count(types(), RESUME) >= 2 && count(types(), INIT) === 1, types().join());
    const names = ["Authorization", "Cookie"];
    const headers = await client.labHeaders({ names });
    assert.deepEqual(headers, { Authorization: "Bearer secret", Cookie: null });

    const photo = Uint8Array.from({ length: 500_000 }, (_, index) => index % 251);
    const [digest] = await client.zooUpload({ photo: new File([photo], "ä.txt"), title: "Ü" });
    const sha256 = createHash("sha256").update(photo).digest("hex");
    assert.deepEqual(digest, { name: "ä.txt", size: photo.length, sha256 });
    const download = await client.zooDownload({ size: 100_000, name: "Zoo – 1.bin" });
    assert.deepEqual([download.filename, download.size], ["Zoo – 1.bin", 100_000]);
    const bytes = await download.bytes();
    assert.deepEqual([bytes.length, bytes[255], bytes[99_999]], [100_000, 255, 0]);
    const numbers: number[] = [];
    for await (const number of client.zooCount({ to: 300 })) numbers.push(number);
    assert.deepEqual([numbers.length, numbers[299]], [300, 299]);

    const calls = Array.from({ length: 16 }, () => client.labCount({ client: randomUUID() }));
    assert.deepEqual(await Promise.all(calls), Array.from(calls, () => 1));
    const [first, second] = await client.batch((b) => [client.labCounted({ client: id }, b), client.zooNothing({}, b)]);
    assert.deepEqual([first, second.status], [{ status: "fulfilled", value: 14 }, "fulfilled"]);
    assert.deepEqual((await api.dryRun(client.labCount, { client: id })).result, 15);
    assert.equal(await client.zooNothing(), null);
    const refused = await client.zooPositional({ first: 1, third: "x" } as never).catch((error: unknown) => error);
    assert.ok(refused instanceof api.KontractProblem && refused.code === "invalid_arguments");

    for (const { url, init } of sent) {
      assert.equal(url, `${baseUrl}/_rs`);
      assert.deepEqual([init.method, init.credentials, init.redirect], ["POST", "omit", "error"]);
      assert.deepEqual(init.headers, { "Content-Type": "application/raystream" });
    }
    const frames = sent.filter(({ type }) => type === REQUEST).map(({ init }) => init.body as Uint8Array);
    const numbersUsed = frames.map((frame) => Buffer.from(frame.slice(4, 28)).toString("hex"));
    assert.equal(new Set(numbersUsed).size, numbersUsed.length, "a number was used twice");
    if (raystream.block) assert.ok(frames.every((frame) => (frame.length - 28 - 16) % 256 === 0));
  });
}

test("handshakes are made one at a time, and who is cancelled leaves the session to the others", async () => {
  const { client, types } = connect();
  const controller = new AbortController();
  const cancelled = client.labSlow({ client: "x", seconds: 0 }, { signal: controller.signal });
  const others = Array.from({ length: 4 }, () => client.zooNothing());
  controller.abort();
  await assert.rejects(cancelled, api.KontractAbortError);
  assert.deepEqual(await Promise.all(others), [null, null, null, null]);
  const before = count(types(), INIT);
  assert.ok(before <= 2, types().join());
  const slow = randomUUID();
  await assert.rejects(client.labSlow({ client: slow, seconds: 20 }, { timeout: 200 }), api.KontractTimeoutError);
  assert.equal(await client.zooNothing(), null);
  assert.equal(count(types(), INIT), before);
  const left = randomUUID();
  for await (const moment of client.labTicks({ client: left })) {
    assert.ok(moment instanceof Date);
    break;
  }
  const unwanted = await client.zooDownload({ size: 100_000 });
  unwanted.cancel();
  await assert.rejects(unwanted.bytes(), api.KontractAbortError);
  await (await client.zooDownload({ size: 100_000 })).stream.cancel();
});

test("while a stream is open, a new session is begun beside its own", async () => {
  const { client, types } = connect();
  const ticks = client.labTicks({ client: randomUUID() });
  await ticks.next();
  for (let round = 0; round < 10; round++) await client.zooNothing();
  assert.deepEqual([count(types(), INIT), count(types(), RESUME)], [2, 0]);
  assert.ok((await ticks.next()).value instanceof Date);
  await ticks.return();
});

test("another caller gets another session, as does a client of its own", async () => {
  let token = "one";
  const { client, types } = connect({ token: () => token });
  await client.zooNothing();
  await client.zooNothing();
  assert.equal(count(types(), INIT), 1);
  token = "two";
  await client.zooNothing();
  assert.equal(count(types(), INIT), 2);
});

test("a session that the server lost is made anew, and only what may run twice is sent again", async () => {
  const { client, types } = connect({}, forge(2));
  assert.equal(await client.zooNothing(), null);
  assert.equal(await client.zooNothing(), null);
  assert.deepEqual(types(), [INIT, REQUEST, REQUEST, INIT, REQUEST]);
  const writing = connect({ retries: 0 }, forge(1));
  const lost = writing.client.labCount({ client: randomUUID() });
  await assert.rejects(lost, { name: "KontractChannelError", code: "channel_reset" });
  assert.deepEqual(writing.types(), [INIT, REQUEST]);
});

test("a session that cannot be resumed is made anew, and calls do not notice", async () => {
  const { client, types } = connect({ retries: 0 }, (frame, type) => (type === RESUME ? flip(frame, 100) : frame));
  for (let round = 0; round < 8; round++) assert.equal(await client.zooNothing(), null);
  const handshakes = types().filter((type) => type !== REQUEST);
  assert.deepEqual(handshakes, [INIT, RESUME, INIT]);
});

/** Damages the n-th request, so that the server answers RESET. */
function forge(nth: number): Tamper {
  let seen = 0;
  return (frame, type) => (type === REQUEST && ++seen === nth ? flip(frame, frame.length - 1) : frame);
}

function flip(frame: Uint8Array, at: number): Uint8Array {
  frame[at] = (frame[at] ?? 0) ^ 1;
  return frame;
}

test("a changed offer, a changed suite and any other change of a handshake fail on both sides", async () => {
  const reversed: Tamper = (frame, type) => {
    if (type === INIT) [frame[37], frame[38]] = [frame[38] ?? 0, frame[37] ?? 0];
    return frame;
  };
  const changes: Tamper[] = [reversed, (frame) => flip(frame, 2), (frame) => ((frame[2] = 3 - (frame[2] ?? 0)), frame)];
  for (const at of [0, 1, 4, 27, 28, 36, 37, 39, 80, 118]) changes.push((frame) => flip(frame, at));
  for (const tamper of changes) {
    const { client, types, statuses } = connect({ retries: 0 }, tamper);
    const error = await client.zooNothing().catch((caught: unknown) => caught);
    assert.ok(error instanceof api.KontractChannelError && error.code === "channel_not_authentic", String(error));
    assert.deepEqual(new Set(types()), new Set([INIT]), "nothing of the application was sent");
    assert.deepEqual(new Set(statuses), new Set([400]), "the server refused it, too");
  }
});

test("a man in the middle with keys of his own gets nothing", async () => {
  const sent: number[] = [];
  const client = api.createClient({
    baseUrl,
    fetch: (input, init = {}) => {
      sent.push((init.body as Uint8Array)[1] ?? 0);
      return fetch(String(input).replace(servers[0] ?? "", impostor), init);
    },
  });
  await assert.rejects(client.labCount({ client: "x" }), /proves none of the keys that this client pins/);
  assert.ok(sent.every((type) => type === INIT));
});

test("an answer that is damaged, cut off or exchanged on its way is no answer", async () => {
  const change = (edit: (wire: Uint8Array) => Uint8Array): Promise<unknown> => {
    const altering: typeof fetch = async (input, init = {}) => {
      const outer = await fetch(input, init);
      if ((init.body as Uint8Array)[1] !== REQUEST) return outer;
      return new Response(edit(new Uint8Array(await outer.arrayBuffer())) as never, outer);
    };
    const client = api.createClient({ baseUrl, fetch: altering, retries: 0 });
    return client.zooDownload({ size: 100_000 }).then((download) => download.bytes());
  };
  assert.equal(((await change((wire) => wire)) as Uint8Array).length, 100_000);
  for (const at of [0, 4, 20, 27, 28, 59, 60, 63, 64, 65, 200, 70_000, 100_300])
    await assert.rejects(change((wire) => flip(wire, at)), api.KontractNetworkError, `byte ${at}`);
  for (const end of [0, 59, 60, 64, 300, 70_000, -1])
    await assert.rejects(change((wire) => wire.slice(0, end)), api.KontractNetworkError, `${end} bytes`);
  let kept: Uint8Array | undefined;
  await change((wire) => (kept = wire));
  await assert.rejects(change(() => kept ?? new Uint8Array(0)), api.KontractNetworkError);
  const page = await change(() => new TextEncoder().encode("<h1>Sorry</h1>")).catch((error: unknown) => error);
  assert.ok(page instanceof api.KontractChannelError);
});

test("something on the way that answers itself is told apart, and has no call sent twice", async () => {
  for (const [status, type] of [[429, "application/raystream"], [503, "text/html"], [200, "text/html"]] as const) {
    let requests = 0;
    const answering: typeof fetch = async (input, init = {}) => {
      if ((init.body as Uint8Array)[1] !== REQUEST) return fetch(input, init);
      requests++;
      await fetch(input, init); // it ran
      return new Response("no", { status, headers: { "Content-Type": type, "Retry-After": "0" } });
    };
    const client = api.createClient({ baseUrl, fetch: answering });
    await assert.rejects(client.labExport({ client: "x" }), api.KontractChannelError);
    assert.equal(requests, 1);
  }
});

test("what the channel does not carry is refused before it is sent", async () => {
  const { client, types } = connect({ retries: 0 });
  await assert.rejects(client.zooNothing({}, { headers: { "X-Own": "1" } }), /carries no header x-own/);
  const photo = new Uint8Array(16 * 1024 * 1024);
  await assert.rejects(client.zooUpload({ photo, title: "" }), /takes at most 16777216, files included. Send a large file in several calls/);
  assert.equal(count(types(), REQUEST), 0);
  const nobody = connect({ raystream: { ...api.raystreamPins, suites: [3] } });
  await assert.rejects(nobody.client.zooNothing(), { code: "channel_unsupported" });
  await assert.rejects(connect({ raystream: { ...api.raystreamPins, keys: ["AA=="] } }).client.zooNothing(), TypeError);
});

test("without the channel requests go as they are", async () => {
  const seen: string[] = [];
  const fetch_: typeof fetch = (input, init) => {
    seen.push(String(input));
    return fetch(input, init);
  };
  await api.createClient({ baseUrl, fetch: fetch_, raystream: false }).zooNothing();
  assert.match(seen.join(), /^[^,]*\/rpc\/zoo_nothing$/);
});
