// Where calls go, and with what.

import { $hasChannel } from "./raystream_pins.ts";

/** What fetch() takes as headers. */
export type $HeadersLike = ConstructorParameters<typeof Headers>[0];

/** Where calls go, and what goes with all of them. */
export interface ClientOptions {
  /** Where kontract's URLs are mounted; the page's own "/kontract" by default. Outside of pages it is absolute. */
  baseUrl?: string | undefined;
  /** Headers of every request, or what gives them. */
  headers?: $HeadersLike | (() => $HeadersLike | Promise<$HeadersLike>);
  /** What goes into `Authorization: Bearer`, or what gives it. */
  token?: string | (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Whether cookies go along, as fetch() has it; "same-origin" by default. */
  credentials?: "omit" | "same-origin" | "include" | undefined;
  /** Django's CSRF_COOKIE_NAME, "csrftoken" by default. Its value goes to the page's own origin only. */
  csrfCookie?: string | undefined;
  /** The header that Django expects the CSRF token in, "X-CSRFToken" by default. */
  csrfHeader?: string | undefined;
  /** Milliseconds that a call may take with all retries, 30,000 by default; 0: for ever. Streams: until they begin. */
  timeout?: number | undefined;
  /** How often a call may be sent again, 2 by default. Above 0, each writing call has an `Idempotency-Key`. */
  retries?: number | undefined;
  /** Whether short read-only calls are GET requests, which browsers cache; true by default. URLs have the arguments. */
  useGet?: boolean | undefined;
  /** Instead of the global fetch(). */
  fetch?: typeof globalThis.fetch | undefined;
  /** The encrypted channel: true, the default where the server has one, options of your own, or false for none. */
  raystream?: boolean | RaystreamOptions | undefined;
  /** How streams of events are held. */
  events?: EventsOptions | undefined;
}

/** How streams of events are held. */
export interface EventsOptions {
  /**
   * Whether the tabs of a browser share a stream: true, the default, where they are signed in alike with `auth`. Pages
   * that sign in otherwise give a text that tells who is signed in.
   */
  readonly tabs?: boolean | string | undefined;
  /** Milliseconds without a sign of life after which a stream is opened again, 50,000 by default. */
  readonly silence?: number | undefined;
}

/** How a client knows the server of an encrypted channel. */
export interface RaystreamOptions {
  /** The server's name. */
  readonly audience: string;
  /** Public keys in base64, the current one first. */
  readonly keys: readonly string[];
  /** Cipher suites by preference: 1 is ChaCha20-Poly1305, 2 is AES-256-GCM. */
  readonly suites: readonly number[];
  /** Pads requests to a multiple of so many bytes. */
  readonly block?: number | undefined;
  /** That of @noble/ciphers, for suite 1 where WebCrypto lacks it. */
  readonly chacha20poly1305?: $Chacha | undefined;
}

export type $Chacha = (
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
) => { encrypt(plaintext: Uint8Array): Uint8Array; decrypt(sealed: Uint8Array): Uint8Array };

/** What says who calls: it sends a request with headers that tell that, perhaps more than once. */
export interface $Session {
  send(client: $Client, headers: Headers, signal: AbortSignal, send: () => Promise<Response>): Promise<Response>;
  /** Returns who calls, and in which session; undefined: nobody. */
  identify(client: $Client): Promise<{ readonly sub: string; readonly sid: string } | undefined>;
  /** Tells when that changes; returns what stops it. */
  listen(client: $Client, listener: () => void): () => void;
}

export type $Client = { readonly [K in Exclude<keyof ClientOptions, "auth">]-?: NonNullable<ClientOptions[K]> } & {
  readonly auth?: object;
  readonly session?: $Session | undefined;
  /** The same in all copies of one client. */
  readonly self: object;
};

const $DEFAULTS: $Client = {
  baseUrl: "/kontract",
  headers: {},
  token: "",
  credentials: "same-origin",
  csrfCookie: "csrftoken",
  csrfHeader: "X-CSRFToken",
  timeout: 30_000,
  retries: 2,
  useGet: true,
  fetch: (input, init) => globalThis.fetch(input, init),
  raystream: $hasChannel(),
  events: {},
  self: {},
};

export let $defaultClient = $DEFAULTS;

/** Sets options of all calls of this module's functions; those left out keep their values. */
export function configure(options: ClientOptions): void {
  $defaultClient = $makeClient(options, $defaultClient);
}

/** Makes all calls of this module's functions those of a session's owner. */
export function $setSession(session: $Session): void {
  $defaultClient = { ...$defaultClient, session };
}

export function $makeClient(options: ClientOptions, base: $Client = $DEFAULTS): $Client {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given), self: {} };
}

/** Returns the absolute URL of a path below `baseUrl`. */
export function $locate(client: $Client, path: string): URL {
  const page = (globalThis as { location?: { href: string } }).location;
  try {
    return new URL(`${client.baseUrl.replace(/\/+$/, "")}/${path}`, page?.href);
  } catch (error) {
    throw new TypeError(
      `${client.baseUrl} is no absolute URL, and no page completes it: configure({ baseUrl: "https://..." })`,
      { cause: error },
    );
  }
}

/** Returns the headers of one request; `own` win over those of all. */
export async function $makeHeaders(client: $Client, url: URL, own: $HeadersLike): Promise<Headers> {
  const headers = new Headers(typeof client.headers === "function" ? await client.headers() : client.headers);
  const token = typeof client.token === "function" ? await client.token() : client.token;
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const csrf = client.raystream === false ? $readCsrfToken(client, url) : undefined; // else no cookies go along
  if (csrf !== undefined && !headers.has(client.csrfHeader)) headers.set(client.csrfHeader, csrf);
  new Headers(own).forEach((value, name) => headers.set(name, value));
  return headers;
}

function $readCsrfToken(client: $Client, url: URL): string | undefined {
  const { document, location } = globalThis as { document?: { cookie: string }; location?: { origin: string } };
  if (url.origin !== location?.origin) return undefined;
  const start = `${client.csrfCookie}=`;
  const cookie = document?.cookie.split("; ").find((one) => one.startsWith(start));
  return cookie?.slice(start.length);
}
