// The session that all calls of a client share: made, resumed and made anew, by one call at a time.

import { $locate, type $Client, type RaystreamOptions } from "./client.ts";
import { KontractError } from "./errors.ts";
import { $isReset } from "./raystream_frames.ts";
import type { $RequestHead } from "./raystream_envelope.ts";
import { KontractChannelError } from "./raystream_errors.ts";
import { $Handshake, $readPins, type $Pins } from "./raystream_handshake.ts";
import { $ChannelSession, type $Sealed } from "./raystream_session.ts";
import { $chooseSuite } from "./raystream_suites.ts";
import { $Turns } from "./raystream_turns.ts";
import { $overNetwork, $readRetryAfter } from "./sending.ts";

const $SHORT = 1024; // bytes; whatever answers a handshake, or is RESET, is shorter

/** The way to the server's channel, and the session, which is resumed before it ends if no answer is open. */
export class $Tunnel {
  readonly #client: $Client;
  readonly #options: RaystreamOptions;
  readonly #url: URL;
  readonly #turns = new $Turns();
  readonly #open = new Set<$Sealed>();
  #pins: $Pins | undefined;
  #pin = 0;
  #session: $ChannelSession | undefined;
  #caller = "";

  constructor(client: $Client, options: RaystreamOptions) {
    this.#client = client;
    this.#options = options;
    this.#url = $locate(client, "_rs");
  }

  /** Seals a request in a session that is good for it; its answer is open until end(). */
  seal(head: $RequestHead, body: Uint8Array, signal: AbortSignal): Promise<$Sealed> {
    return this.#turns.take(signal, async () => {
      const session = await this.#connect($findCaller(head), signal);
      const sealed = await session.seal(head, body, $now(), this.#options.block);
      this.#open.add(sealed);
      return sealed;
    });
  }

  end(sealed: $Sealed): void {
    this.#open.delete(sealed);
  }

  /** Sends bytes, with nothing around them that tells who calls, or from which page. */
  async post(frame: Uint8Array, signal: AbortSignal): Promise<Response> {
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/raystream" },
      body: frame as never, // TypeScript 5.7 renamed what a body can be
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal,
    } as const;
    return $overNetwork(this.#client.fetch(this.#url.href, init));
  }

  /** Returns the error of an answer that is none, and forgets the session if the server does not know it. */
  async explain(outer: Response, sealed: $Sealed): Promise<KontractChannelError> {
    const isReset = outer.status === 400 && $isReset(await $takeShort(outer));
    if (!isReset) {
      $leave(outer);
      const detail = `A sealed request was answered with status ${outer.status} by something on the way.`;
      return new KontractChannelError(detail, "channel_refused", { retryAfter: $readRetryAfter(outer) });
    }
    if (this.#session === sealed.session) this.#session = undefined;
    return new KontractChannelError("The server has reset the session, or somebody in its name.", "channel_reset");
  }

  async #connect(caller: string, signal: AbortSignal): Promise<$ChannelSession> {
    const pins = (this.#pins ??= $readPins(this.#options, await $chooseSuite(this.#options)));
    for (let failures = 0; ; failures++) {
      const session = this.#session;
      const step = this.#isOfAnother(caller) ? "start" : session?.nextStep($now());
      if (session !== undefined && step === "request") {
        this.#caller ||= caller;
        return session;
      }
      const old = step === "resume" && this.#open.size === 0 ? session : undefined;
      this.#session = undefined;
      if (old === undefined) this.#caller = "";
      this.#session = await this.#shake(pins, old, signal, failures);
    }
  }

  /** Tells whether the session was used with another token: it belongs to who signed in first. */
  #isOfAnother(caller: string): boolean {
    return caller !== "" && this.#caller !== "" && caller !== this.#caller;
  }

  /** Makes a handshake; undefined where it failed, and the next attempt may not. */
  async #shake(
    pins: $Pins,
    old: $ChannelSession | undefined,
    signal: AbortSignal,
    failures: number,
  ): Promise<$ChannelSession | undefined> {
    const key = pins.keys[this.#pin] as Uint8Array;
    const handshake = await $Handshake.begin(pins, key, old?.secrets);
    const outer = await this.post(handshake.opening, signal);
    if (outer.status !== 200 && outer.status !== 400) throw this.#refuse(outer);
    const accept = await $takeShort(outer);
    try {
      const { secrets, limits } = await handshake.finish(accept);
      return new $ChannelSession(secrets, limits, $now());
    } catch (error) {
      if (!(error instanceof KontractChannelError)) throw error;
      if (old === undefined) this.#pin = (this.#pin + 1) % pins.keys.length;
      if (failures >= pins.keys.length) throw this.#distrust(error);
      return undefined;
    }
  }

  #refuse(outer: Response): KontractError {
    $leave(outer);
    const { status } = outer;
    const detail = `${this.#url.href} answered a handshake with status ${status}. Try again later.`;
    return new KontractError(detail, "channel_busy", { status, retryAfter: $readRetryAfter(outer) });
  }

  #distrust(cause: unknown): KontractChannelError {
    const detail =
      `${this.#url.href} proves none of the keys that this client pins. Either it is another server, or the client ` +
      "is too old: generate it anew with kontract_compile.";
    return new KontractChannelError(detail, "channel_not_authentic", { cause });
  }
}

/** Seconds of the wall clock: other clocks stand still while a computer sleeps, and sessions do not. */
function $now(): number {
  return Date.now() / 1000;
}

function $findCaller({ headers }: $RequestHead): string {
  return headers.find(([name]) => name === "authorization")?.[1] ?? "";
}

/** Returns a short answer, or the beginning of what is none. */
async function $takeShort(outer: Response): Promise<Uint8Array> {
  const reader = outer.body?.getReader();
  const taken: number[] = [];
  while (reader !== undefined) {
    const { done, value } = await $overNetwork(reader.read());
    if (done) break;
    taken.push(...value.subarray(0, $SHORT));
    if (taken.length <= $SHORT && value.length <= $SHORT) continue;
    await reader.cancel();
    break;
  }
  return Uint8Array.from(taken);
}

/** Reads no further, so that the connection is free. */
function $leave(outer: Response): void {
  if (!outer.bodyUsed) void outer.body?.cancel().catch(() => {}); // it may have failed, and nobody wants it
}
