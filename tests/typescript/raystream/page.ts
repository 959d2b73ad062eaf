// What runs in a browser: the channel's own code against vectors, and a story of which a proxy sees all bytes.

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import * as api from "./client.ts";
import { checks, type Material } from "./checks.ts";

const SECRET = "eleven blue elephants";

type Client = ReturnType<typeof api.createClient>;

/** Follows a table, leaves, and comes back with the cursor: what was missed comes then. */
async function follow(client: Client, id: string): Promise<boolean> {
  const take = (after?: string, opened?: () => Promise<number>): Promise<api.KontractEvent> =>
    new Promise((resolve, reject) => {
      const tell = (event: api.KontractEvent): void => {
        subscription.close();
        resolve(event);
      };
      const onOpen = (): void => void opened?.().catch(reject);
      const options = { where: { n__gte: 1 }, onOpen, onInsert: tell, onUpdate: tell, onError: reject };
      const subscription = client.subscribe("lab_counts", after === undefined ? options : { ...options, after });
    });
  const first = await take(undefined, () => client.labCount({ client: id }));
  await client.labCount({ client: id });
  const second = await take(first.cursor);
  return first.id === id && second.id === id && second.txid > first.txid;
}

async function tell(raystream: api.RaystreamOptions | false): Promise<boolean> {
  const client = api.createClient({ token: `token of ${SECRET}`, raystream });
  const headers = await client.labHeaders({ names: ["Authorization", "Cookie"] });
  const id = `id of ${SECRET}`;
  const counts = [await client.labCount({ client: id }), await client.labCounted({ client: id })];
  const [digest] = await client.zooUpload({ photo: new File([`file of ${SECRET}`], `${SECRET}.txt`), title: SECRET });
  const names: string[] = [];
  for await (const pet of client.zooParade({ names: [SECRET, "b"] })) names.push(pet.name);
  const download = await client.zooDownload({ size: 70_000, name: `${SECRET}.bin` });
  const [batched] = await client.batch((b) => [client.labCounted({ client: id }, b)]);
  return (
    headers["Authorization"] === `Bearer token of ${SECRET}` &&
    headers["Cookie"] === null &&
    counts[0] === counts[1] &&
    digest?.size === `file of ${SECRET}`.length &&
    names.join() === `${SECRET},b` &&
    (await download.bytes()).length === 70_000 &&
    batched.status === "fulfilled" &&
    (await follow(api.createClient({ raystream }), id)) &&
    (await client.labSlow({ client: id, seconds: 20 }, { timeout: 50 }).catch((error: unknown) => error)) instanceof
      api.KontractTimeoutError
  );
}

async function spoil(): Promise<boolean> {
  const cutting: typeof fetch = async (input, init) => {
    const outer = await fetch(input, init);
    const wire = new Uint8Array(await outer.arrayBuffer());
    return new Response(wire.slice(0, wire.length > 1000 ? -1 : undefined), outer);
  };
  const client = api.createClient({ fetch: cutting, retries: 0 });
  const download = await client.zooDownload({ size: 100_000 });
  return (await download.bytes().catch((error: unknown) => error)) instanceof api.KontractNetworkError;
}

const worker = (): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const running = new Worker("/built/worker.js", { type: "module" });
    running.onmessage = ({ data }: MessageEvent<unknown>) => resolve(data);
    running.onerror = ({ message }) => reject(new Error(message));
  });

async function run(): Promise<string> {
  const material = (await (await fetch("/built/material.json")).json()) as Material;
  const lines: string[] = [];
  const note = async (name: string, check: () => Promise<unknown>): Promise<void> => {
    const outcome = await check().catch((error: unknown) => error);
    lines.push(`${outcome === true ? "ok" : `FAILED (${String(outcome)})`}: ${name}`);
  };
  for (const [name, check] of Object.entries(checks))
    await note(name, () => check(material, chacha20poly1305).then(() => true));
  await note("workers can call", worker);
  await note("what is cut off is no answer", spoil);
  await fetch("/begin", { method: "POST" });
  await note("the story", () => tell(api.raystreamPins));
  await note("the story, with the suite of @noble/ciphers", () => tell({ ...api.raystreamPins, chacha20poly1305 }));
  await fetch("/end", { method: "POST" });
  await note("the story as anyone can read it", () => tell(false));
  return [...lines, "done"].join("\n");
}

void run().then((report) => fetch("/report", { method: "POST", body: report }));
