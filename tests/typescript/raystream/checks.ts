// What the encrypted channel's own code must give: in node and in a browser, with each suite that there is.

import type { RaystreamOptions } from "./runtime/client.ts";
import { KontractError } from "./runtime/errors.ts";
import { $isSame, $join } from "./runtime/raystream_bytes.ts";
import { $agree, $hkdf, $importSecret, type $Key } from "./runtime/raystream_crypto.ts";
import { $packRequest, $readResponse } from "./runtime/raystream_envelope.ts";
import { KontractChannelError } from "./runtime/raystream_errors.ts";
import { $isReset, $packRequestHeader, $readLimits } from "./runtime/raystream_frames.ts";
import { $chooseFraming } from "./runtime/raystream_framing.ts";
import { $Handshake, $readPins, type $Pins } from "./runtime/raystream_handshake.ts";
import { $Initiator } from "./runtime/raystream_noise.ts";
import { $Opener } from "./runtime/raystream_opener.ts";
import { $makePrologue, type $Secrets } from "./runtime/raystream_schedule.ts";
import { $ChannelSession } from "./runtime/raystream_session.ts";
import { $AES_GCM, $chooseSuite, $Cipher, $makeChacha, type $Suite } from "./runtime/raystream_suites.ts";

type Chacha = NonNullable<RaystreamOptions["chacha20poly1305"]>;
type Case = { readonly [name: string]: string };

interface Shake {
  readonly client_ephemeral: string;
  readonly sid: string;
  readonly message: string;
  readonly accept: string;
  readonly secrets: Case;
}

interface Request {
  readonly seq: number;
  readonly envelope: string;
  readonly frame: string;
}

interface Response {
  readonly seq: number;
  readonly chunks: readonly string[];
  readonly binary: string;
  readonly event_stream: string;
  readonly whole: { readonly chunk: string; readonly binary: string };
}

interface Vector {
  readonly suite: number;
  readonly static_public: string;
  readonly kid: string;
  readonly offer: readonly number[];
  readonly prologue: string;
  readonly init: Shake;
  readonly resume: Shake;
  readonly requests: readonly Request[];
  readonly responses: readonly Response[];
  readonly request_after_resume: Request;
}

interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: readonly string[];
  readonly init_ephemeral: string;
  readonly init_remote_static: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

/** What Python has written for these checks. */
export interface Material {
  readonly noise: readonly NoiseVector[];
  readonly ciphers: { readonly [suite: string]: readonly (Case & { readonly result: string })[] };
  readonly x25519: readonly Case[];
  readonly hkdf: readonly (Case & { readonly size: string })[];
  readonly published: {
    readonly audience: string;
    readonly reset: string;
    readonly limits: { readonly values: readonly number[]; readonly bytes: string };
    readonly suites: readonly Vector[];
    readonly envelopes: readonly {
      readonly method: string;
      readonly path: string;
      readonly headers: readonly [string, string][];
      readonly body: string;
      readonly block: number;
      readonly envelope: string;
    }[];
  };
}

const CHUNK = 65_536 + 17;
const TYPES = { binary: "application/raystream", event_stream: "text/event-stream; charset=utf-8" } as const;

export function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function expect(found: unknown, wanted: unknown, what = ""): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what} ${one} is not ${other}`);
}

export async function refuses(run: () => Promise<unknown>, what = ""): Promise<void> {
  const outcome = await run().then(
    (value) => new Error(`${what} gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof KontractChannelError)) throw outcome;
}

/** Imports a secret key of X25519, which the client itself never does: its keys are random. */
export async function importPair(secret: Uint8Array): Promise<{ secret: $Key; public: Uint8Array }> {
  const { subtle } = globalThis.crypto;
  const pkcs8 = $join(unhex("302e020100300506032b656e04220420"), secret);
  const key = await subtle.importKey("pkcs8", pkcs8 as never, "X25519", false, ["deriveBits"]);
  return { secret: key, public: await $agree(key, Uint8Array.of(9, ...new Uint8Array(31))) };
}

/** Returns both suites, and suite 1 once more where WebCrypto has it. */
async function makeSuites(chacha: Chacha): Promise<readonly $Suite[]> {
  const native = await $chooseSuite({ audience: "", keys: [], suites: [1] }).catch((error: unknown) => error);
  if (native instanceof KontractError) return [$makeChacha(chacha), $AES_GCM];
  return [$makeChacha(chacha), $AES_GCM, native as $Suite];
}

/** Opens a whole answer. */
async function read(secrets: $Secrets, seq: number, wire: Uint8Array, type: string, size = Infinity): Promise<string> {
  const framing = $chooseFraming(type, CHUNK);
  if (framing === undefined) throw new Error(`${type} is of no framing`);
  const opener = new $Opener(secrets, seq, framing);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < wire.length; at += size) parts.push(...(await opener.feed(wire.slice(at, at + size))));
  opener.close();
  if (opener.head?.status !== 200) throw new Error("the head is another");
  return hex($join(...parts));
}

async function shake(pins: $Pins, vector: Vector, { client_ephemeral, message, accept }: Shake, old?: $Secrets) {
  const ephemeral = await importPair(unhex(client_ephemeral));
  const handshake = await $Handshake.begin(pins, unhex(vector.static_public), old, ephemeral);
  expect(hex(handshake.opening), message, "the opening");
  return { handshake, ...(await handshake.finish(unhex(accept))), accept: unhex(accept) };
}

function pinsOf(material: Material, { offer, static_public: key }: Vector, suite: $Suite): $Pins {
  const encoded = btoa(String.fromCharCode(...unhex(key)));
  return $readPins({ audience: material.published.audience, keys: [encoded], suites: offer }, suite);
}

/** Gives each published session, established. */
async function* sessions(material: Material, chacha: Chacha) {
  for (const suite of await makeSuites(chacha)) {
    const vector = material.published.suites.find(({ suite: id }) => id === suite.id);
    if (vector === undefined) throw new Error(`suite ${suite.id} has no vectors`);
    const pins = pinsOf(material, vector, suite);
    yield { suite, vector, pins, ...(await shake(pins, vector, vector.init)) };
  }
}

type Check = (material: Material, chacha: Chacha) => Promise<void>;

export const checks: { readonly [name: string]: Check } = {
  "Noise, to the byte of another implementation": async (material, chacha) => {
    expect(material.noise.length, 4);
    for (const vector of material.noise) {
      const suite = (await makeSuites(chacha)).find(({ name }) => vector.protocol_name.includes(name));
      if (suite === undefined) throw new Error(vector.protocol_name);
      const psk = vector.init_psks?.[0];
      const initiator = await $Initiator.begin({
        suite,
        prologue: unhex(vector.init_prologue),
        theirs: unhex(vector.init_remote_static),
        ephemeral: await importPair(unhex(vector.init_ephemeral)),
        psk: psk === undefined ? undefined : unhex(psk),
      });
      const [first, second, ...rest] = vector.messages;
      expect(hex(await initiator.write(unhex(first?.payload ?? ""))), first?.ciphertext, vector.protocol_name);
      expect(hex(await initiator.read(unhex(second?.ciphertext ?? ""))), second?.payload, vector.protocol_name);
      const { keys, hash } = await initiator.finish();
      expect(hex(hash), vector.handshake_hash);
      for (const [index, { payload, ciphertext }] of rest.entries()) {
        const aead = await suite.makeAead(keys.slice(32 * (index % 2), 32 * (index % 2) + 32));
        const nonce = new Uint8Array(12);
        nonce[suite.id === 1 ? 4 : 11] = Math.floor(index / 2); // Noise counts in little-endian there, here in big
        expect(hex(await aead.seal(nonce, unhex(payload), new Uint8Array(0))), ciphertext, vector.protocol_name);
      }
    }
  },

  "the number is mixed into the nonce": async (_, chacha) => {
    const key = crypto.getRandomValues(new Uint8Array(44));
    for (const suite of await makeSuites(chacha)) {
      const cipher = await $Cipher.make(suite, key);
      const sealed = await cipher.seal(2 ** 40 + 5, unhex("0102"), unhex("03"));
      const nonce = key.slice(32);
      for (const [index, byte] of [0, 0, 1, 0, 0, 0, 0, 5].entries()) nonce[4 + index] = (nonce[4 + index] ?? 0) ^ byte;
      const aead = await suite.makeAead(key.slice(0, 32));
      expect(hex(await aead.seal(nonce, unhex("0102"), unhex("03"))), hex(sealed));
    }
  },

  "Wycheproof of the ciphers": async (material, chacha) => {
    for (const suite of await makeSuites(chacha)) {
      const cases = material.ciphers[suite.id] ?? [];
      if (cases.length < 60) throw new Error(`there are only ${cases.length} cases`);
      for (const { key = "", iv = "", aad = "", msg = "", ct = "", tag = "", result, tcId } of cases) {
        const cipher = await $Cipher.make(suite, unhex(key + iv));
        const open = async (): Promise<string> => hex(await cipher.open(0, unhex(ct + tag), unhex(aad)));
        if (result !== "valid") await refuses(open, tcId);
        else {
          expect(hex(await cipher.seal(0, unhex(msg), unhex(aad))), ct + tag, tcId);
          expect(await open(), msg, tcId);
        }
      }
    }
  },

  "Wycheproof and RFC 7748 of X25519": async ({ x25519 }) => {
    if (x25519.length < 500) throw new Error(`there are only ${x25519.length} cases`);
    let refused = 0;
    for (const { private: secret = "", public: theirs = "", shared = "", tcId } of x25519) {
      const { secret: key } = await importPair(unhex(secret));
      if (/[^0]/.test(shared)) expect(hex(await $agree(key, unhex(theirs))), shared, tcId);
      else {
        await refuses(() => $agree(key, unhex(theirs)), tcId);
        refused++;
      }
    }
    if (refused < 10) throw new Error(`only ${refused} points of small order were refused`);
  },

  "Wycheproof and RFC 5869 of HKDF": async ({ hkdf }) => {
    if (hkdf.length < 80) throw new Error(`there are only ${hkdf.length} cases`);
    for (const { ikm = "", salt = "", info = "", okm = "", size, result, tcId } of hkdf) {
      const run = async () =>
        hex(await $hkdf(unhex(salt), await $importSecret(unhex(ikm)), unhex(info), Number(size)));
      if (result === "valid") expect(await run(), okm, tcId);
      else expect(await run().catch(() => "refused"), "refused", tcId);
    }
  },

  "published handshakes, requests and answers": async (material, chacha) => {
    const { reset, limits, audience } = material.published;
    expect($isReset(unhex(reset)), true);
    expect(Object.values($readLimits(unhex(limits.bytes))), limits.values);
    for await (const { suite, vector, pins, secrets } of sessions(material, chacha)) {
      const name = new TextEncoder().encode(audience);
      expect(hex($makePrologue(name, vector.offer, suite, unhex(vector.kid))), vector.prologue);
      expect(hex(secrets.resume), vector.init.secrets["resume"]);
      expect(hex(secrets.sid), vector.init.sid);
      for (const request of vector.requests) expect(await seal(secrets, request), request.frame);
      for (const { seq, chunks, whole, ...wires } of vector.responses) {
        const [first = "", ...rest] = chunks;
        expect($readResponse(unhex(first)).head.headers.length, 2);
        for (const kind of ["binary", "event_stream"] as const) {
          const wire = kind === "binary" ? unhex(wires.binary) : new TextEncoder().encode(wires.event_stream);
          for (const size of [Infinity, 1, 7]) expect(await read(secrets, seq, wire, TYPES[kind], size), rest.join(""));
        }
        expect(await read(secrets, seq, unhex(whole.binary), TYPES.binary), hex($readResponse(unhex(whole.chunk)).body));
      }
      const resumed = await shake(pins, vector, vector.resume, secrets);
      expect(hex(resumed.secrets.resume), vector.resume.secrets["resume"]);
      expect(await seal(resumed.secrets, vector.request_after_resume), vector.request_after_resume.frame);
    }
  },

  "a session is resumed before each of its limits, and made anew behind it": async (material, chacha) => {
    const head = { method: "GET", path: "/", headers: [] };
    const small = { idle: 40, absolute: 100, requests: 8, frame: 1024, chunk: 1024 };
    for await (const { secrets } of sessions(material, chacha)) {
      const unused = new $ChannelSession(secrets, small, 1000);
      expect([1000, 1022, 1023, 999].map((now) => unused.nextStep(now)), ["request", "request", "start", "start"]);
      const used = new $ChannelSession(secrets, small, 1000);
      const numbers: number[] = [];
      const step = async (now: number): Promise<string> => {
        const { frame } = await used.seal(head, new Uint8Array(0), now);
        numbers.push(frame[27] ?? -1);
        return used.nextStep(now);
      };
      expect(await step(1001), "request");
      expect([1030, 1031, 1040, 1041].map((now) => used.nextStep(now)), ["request", "resume", "resume", "start"]);
      expect(await step(1074), "request");
      expect(await step(1075), "resume");
      expect(used.nextStep(1100), "start");
      const late = await Promise.all([3, 4].map(() => step(1060)));
      expect(late, ["request", "request"]);
      expect([await step(1060), await step(1060), await step(1060)], ["resume", "resume", "start"]);
      expect(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
      const large = used.seal(head, new Uint8Array(1024), 1060).catch((error: unknown) => error);
      expect((await large) instanceof TypeError, true, "too large a request is refused");
    }
  },

  "published envelopes, and what is none": async ({ published }) => {
    for (const { body, block, envelope, ...head } of published.envelopes)
      expect(hex($packRequest(head, unhex(body), block)), envelope);
    const write = (head: string, body = ""): Uint8Array => {
      const bytes = new TextEncoder().encode(head);
      return $join(Uint8Array.of(0, 0, bytes.length >> 8, bytes.length & 255), bytes, unhex(body));
    };
    expect($readResponse(write('{"status":200,"headers":[["a","\\"x:\\" y"]],"pad": 2}', "0a0000")).body, { 0: 10 });
    for (const head of [
      ...['{"status":200}', '{"status":200,"headers":[],"more":1}', '{"status":99,"headers":[]}', "[]", "null", "{"],
      ...['{"status":"200","headers":[]}', '{"status":200,"headers":{}}', '{"status":200,"headers":[["a"]]}'],
      ...['{"status":200,"headers":[["A","b"]]}', '{"status":200,"headers":[["a","\\n"]]}'],
      ...['{"status":200,"headers":[],"status":200}', '{"status":200,"headers":[],"pad":1}', "\ufeff{}"],
      ...['{"status":200,"headers":[],"pad":-1}', '{"status":200,"headers":[],"pad":0.5}'],
      `{"status":200,"headers":[${Array.from({ length: 101 }, () => '["a","b"]').join()}]}`,
    ])
      await refuses(async () => $readResponse(write(head)), head);
    for (const wire of ["", "000000", "00000001", "00008001", "ffffffff", "000000027b7d"])
      await refuses(async () => $readResponse(unhex(wire)), wire);
  },

  "nothing of a handshake's answer can be changed": async (material, chacha) => {
    for await (const { vector, pins, accept } of sessions(material, chacha)) {
      const theirs = unhex(vector.static_public);
      const ephemeral = await importPair(unhex(vector.init.client_ephemeral));
      const begin = (): Promise<$Handshake> => $Handshake.begin(pins, theirs, undefined, ephemeral);
      for (let at = 0; at < accept.length; at++)
        await refuses(async () => (await begin()).finish(flip(accept, at)), `byte ${at}`);
      for (let length = 0; length < accept.length; length += 3)
        await refuses(async () => (await begin()).finish(accept.slice(0, length)), `${length} bytes`);
      await refuses(async () => (await begin()).finish($join(accept, Uint8Array.of(0))));
      await refuses(async () => (await begin()).finish(unhex(vector.resume.accept)), "another's answer");
      const other = { ...pins, offer: [...pins.offer].reverse() };
      await refuses(async () => (await $Handshake.begin(other, theirs, undefined, ephemeral)).finish(accept), "offer");
    }
  },

  "nothing of an answer can be changed": async (material, chacha) => {
    for await (const { secrets, vector } of sessions(material, chacha)) {
      const [one, two] = vector.responses;
      const wire = unhex(one?.binary ?? "");
      const open = (data: Uint8Array): Promise<string> => read(secrets, 0, data, TYPES.binary);
      const body = await open(wire);
      for (let at = 0; at < wire.length; at++) await refuses(() => open(flip(wire, at)), `byte ${at}`);
      for (let length = 0; length < wire.length; length++) await refuses(() => open(wire.slice(0, length)));
      await refuses(() => open(unhex(two?.binary ?? "")), "another's answer");
      const [prefix, ...chunks] = split(wire);
      for (const order of [[0], [1], [0, 1], [0, 2], [1, 2], [0, 2, 1], [1, 0, 2], [0, 0, 1, 2], [0, 1, 1, 2], [2]])
        await refuses(() => open($join(prefix, ...order.map((index) => chunks[index] as Uint8Array))), order.join());
      const text = new TextEncoder().encode(one?.event_stream ?? "");
      for (let at = 0; at < text.length; at++) {
        const found = read(secrets, 0, flip(text, at), TYPES.event_stream);
        await found.then((same) => expect(same, body), () => refuses(() => found));
      }
    }
  },
};

async function seal(secrets: $Secrets, { seq, envelope }: Request): Promise<string> {
  const header = $packRequestHeader(secrets.suite, secrets.sid, seq);
  return hex($join(header, await secrets.c2s.seal(seq, unhex(envelope), header)));
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ (1 << at % 8);
  if ($isSame(changed, bytes)) throw new Error("nothing was flipped");
  return changed;
}

/** Takes an answer apart: its first piece, and each chunk with its length. */
function split(wire: Uint8Array): [Uint8Array, ...Uint8Array[]] {
  const pieces: [Uint8Array, ...Uint8Array[]] = [wire.slice(0, 60)];
  for (let at = 60; at < wire.length; ) {
    const length = 4 + new DataView(wire.buffer, at).getUint32(0);
    pieces.push(wire.slice(at, at + length));
    at += length;
  }
  return pieces;
}
