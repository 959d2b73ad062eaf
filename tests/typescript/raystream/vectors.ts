// Vectors of the record layer that TypeScript makes, at random, and Python checks.

import { hex, importPair } from "./checks.ts";
import type { RaystreamOptions } from "./runtime/client.ts";
import { $join } from "./runtime/raystream_bytes.ts";
import { $packRequest } from "./runtime/raystream_envelope.ts";
import { $packRequestHeader } from "./runtime/raystream_frames.ts";
import { $Handshake, $readPins } from "./runtime/raystream_handshake.ts";
import { $Secrets } from "./runtime/raystream_schedule.ts";
import { $AES_GCM, $makeChacha, type $Suite } from "./runtime/raystream_suites.ts";

const AUDIENCE = "typescript.example ✓";
const OFFERS = [[1, 2], [2, 1], [7, 1, 2, 3]];
const SIZES = [0, 1, 15, 16, 1000, 60_000];

function random(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Returns, for each suite: openings, and requests in a session of known keys, sealed and as they are. */
export async function makeVectors(chacha: NonNullable<RaystreamOptions["chacha20poly1305"]>): Promise<unknown> {
  const suites = [$makeChacha(chacha), $AES_GCM];
  return { audience: AUDIENCE, suites: await Promise.all(suites.map(makeSuite)) };
}

async function makeSuite(suite: $Suite): Promise<unknown> {
  const secret = random(32);
  const theirs = (await importPair(secret)).public;
  const [keys, hash, sid] = [random(64), random(32), random(16)];
  const secrets = await $Secrets.derive(suite, sid, { keys, hash });
  const openings = await Promise.all(OFFERS.map((offer) => open(suite, theirs, offer)));
  const resumption = await open(suite, theirs, [1, 2], secrets);
  const requests = await Promise.all(SIZES.map((size, index) => seal(secrets, size, index)));
  return {
    ...{ suite: suite.id, static: hex(secret), keys: hex(keys), hash: hex(hash), sid: hex(sid) },
    ...{ openings, resumption, requests },
  };
}

async function open(suite: $Suite, theirs: Uint8Array, offer: number[], old?: $Secrets): Promise<string> {
  const key = btoa(String.fromCharCode(...theirs));
  const pins = $readPins({ audience: AUDIENCE, keys: [key], suites: offer }, suite);
  return hex((await $Handshake.begin(pins, theirs, old)).opening);
}

async function seal(secrets: $Secrets, size: number, index: number): Promise<unknown> {
  const head = {
    method: index % 2 === 0 ? "POST" : "GET",
    path: `/kontract/rpc/call?number=${index}`,
    headers: [["authorization", `Bearer "é\\${index}`] as const, ["accept", "*/*"] as const],
  };
  const [body, block] = [random(size), [1, 16, 256, 1024][index % 4] as number];
  const seq = Math.floor(Math.random() * 2 ** 20);
  const header = $packRequestHeader(secrets.suite, secrets.sid, seq);
  const frame = $join(header, await secrets.c2s.seal(seq, $packRequest(head, body, block), header));
  return { ...head, body: hex(body), block, seq, frame: hex(frame) };
}
