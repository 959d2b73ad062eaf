// Who calls: the access token that goes along, and how the next one is had.

import type { $AnyOptions } from "./calls.ts";
import { $locate, type $Client, type $Session } from "./client.ts";
import { KontractProblem } from "./errors.ts";
import { $parseJson } from "./json.ts";
import { $isObject, $overNetwork } from "./sending.ts";
import { $openVault, $readAuth, type $Page, type $Vault } from "./auth_storage.ts";
import { $Tabs, type $News } from "./auth_tabs.ts";

/** What signing in answers. */
export interface $Tokens<P> {
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token: string | null;
  readonly principal: P;
}

/** The procedures that a session itself calls. */
export interface $SessionFunctions<P> {
  anonymous(args: { cookie: boolean }, options: $AnyOptions): Promise<$Tokens<P>>;
  refresh(args: { refresh_token?: string }, options: $AnyOptions): Promise<$Tokens<P>>;
}

interface $Signed<P> {
  readonly token: string;
  readonly sid: string;
  readonly expiresAt: number;
  readonly principal: P;
}

const $INVALID = "invalid_token";
const $MARGIN = 30_000; // milliseconds before its end in which a token is not used any more
const $MARGIN_PART = 0.1; // of a token's life, at most

/** What a client knows of who calls. */
export class $AuthSession<P> implements $Session {
  readonly #functions: $SessionFunctions<P>;
  readonly #listeners = new Set<(principal: P | undefined) => void>();
  #open: { readonly options: unknown; readonly url: string; readonly vault: $Vault; readonly tabs: $Tabs<P> } | undefined;
  #signed: $Signed<P> | undefined;
  #finding: Promise<string | undefined> | undefined;

  constructor(functions: $SessionFunctions<P>) {
    this.#functions = functions;
  }

  get principal(): P | undefined {
    return this.#signed?.principal;
  }

  /** Tells of changes from now on, in a page also of those in other tabs. */
  listen(client: $Client, listener: (principal: P | undefined) => void): () => void {
    if ((globalThis as $Page).location !== undefined) this.#prepare(client);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns whose calls these are, and in which session; undefined: nobody's. */
  async identify(client: $Client): Promise<{ readonly sub: string; readonly sid: string } | undefined> {
    const token = await this.find(client);
    return token === undefined ? undefined : $readClaims(token);
  }

  /** Sends a request with an access token; once more with the next one where it is refused, before anything ran. */
  async send(client: $Client, headers: Headers, signal: AbortSignal, send: () => Promise<Response>): Promise<Response> {
    if (headers.has("Authorization")) return send();
    const token = await $until(signal, this.find(client));
    if (token === undefined) return send();
    headers.set("Authorization", `Bearer ${token}`);
    const response = await send();
    if (response.status !== 401 || !(await $isRefusal(response))) return response;
    const next = await $until(signal, this.find(client, token));
    if (next === undefined || $readClaims(next).sub !== $readClaims(token).sub) return response; // never as another
    headers.set("Authorization", `Bearer ${next}`);
    return send();
  }

  /** Returns a good access token that is not `used`; undefined for nobody. All who wait share one request. */
  find(client: $Client, used?: string): Promise<string | undefined> {
    const token = this.#current();
    if (token !== undefined && token !== used) return Promise.resolve(token);
    const mayBegin = used === undefined && $readAuth(client).anonymous === "auto";
    this.#finding ??= this.#find(client, mayBegin).finally(() => (this.#finding = undefined));
    return this.#finding;
  }

  async #find(client: $Client, mayBegin: boolean): Promise<string | undefined> {
    const token = await this.resume(client, true);
    if (token !== undefined || !mayBegin) return token;
    const begin = async (): Promise<string> =>
      this.#current() ?? (await this.adopt(client, await this.#begin(client))).token;
    return this.#prepare(client).tabs.alone(begin);
  }

  #begin(client: $Client): Promise<$Tokens<P>> {
    return this.#functions.anonymous({ cookie: this.usesCookie(client) }, $unsigned(client));
  }

  /** As find(), but makes no principal; a token that is good is left unless `isForced`. */
  async resume(client: $Client, isForced = false): Promise<string | undefined> {
    const before = this.#current();
    if (before !== undefined && !isForced) return before;
    const used = this.#signed?.token;
    return this.#prepare(client).tabs.alone(async () => {
      const current = this.#current();
      return current !== undefined && current !== used ? current : this.#refresh(client);
    });
  }

  async #refresh(client: $Client): Promise<string | undefined> {
    const { vault } = this.#prepare(client);
    const kept = await vault.storage.load();
    if (kept === undefined) return undefined;
    const args = vault.isCookie ? {} : { refresh_token: kept };
    try {
      const tokens = await this.#functions.refresh(args, { ...$unsigned(client), isRepeatable: true });
      return (await this.adopt(client, tokens)).token;
    } catch (error) {
      if (!(error instanceof KontractProblem) || error.code !== $INVALID) throw error;
      const wasSigned = this.#signed !== undefined;
      await this.end(client);
      if (wasSigned) throw error; // whoever was somebody a moment ago must not go on as nobody without noticing
      return undefined;
    }
  }

  usesCookie(client: $Client): boolean {
    return this.#prepare(client).vault.isCookie;
  }

  /** Runs what signs in, while nothing else changes who calls, and keeps what it is answered. */
  signIn(client: $Client, call: () => Promise<$Tokens<P>>): Promise<P> {
    return this.#prepare(client).tabs.alone(async () => (await this.adopt(client, await call())).principal);
  }

  async adopt(client: $Client, tokens: $Tokens<P>): Promise<$Signed<P>> {
    const { vault, tabs } = this.#prepare(client);
    const { access_token: token, principal, refresh_token: refreshToken } = tokens;
    const life = tokens.expires_in * 1000;
    const signed = {
      token,
      sid: $readClaims(token).sid,
      expiresAt: Date.now() + life - Math.min($MARGIN, life * $MARGIN_PART),
      principal,
    };
    await vault.storage.save(refreshToken ?? "");
    this.#sign(signed);
    tabs.tell({ sid: signed.sid, signed, refreshToken: refreshToken ?? undefined });
    return signed;
  }

  /** Forgets who calls, here and in the tabs that share it. */
  async end(client: $Client): Promise<void> {
    const { vault, tabs } = this.#prepare(client);
    const sid = this.#signed?.sid;
    await vault.storage.clear();
    this.#sign(undefined);
    if (sid !== undefined) tabs.tell({ sid });
  }

  #hear(vault: $Vault, { sid, signed, refreshToken }: $News<P>): void {
    const isOwn = this.#signed?.sid === sid;
    if (signed === undefined) {
      if (isOwn) this.#sign(undefined);
    } else if (isOwn || vault.isCookie) {
      if (refreshToken !== undefined) void vault.storage.save(refreshToken);
      this.#sign({ ...signed, sid });
    }
  }

  #sign(signed: $Signed<P> | undefined): void {
    const isSame = JSON.stringify(signed?.principal) === JSON.stringify(this.#signed?.principal);
    this.#signed = signed;
    if (!isSame) for (const listener of [...this.#listeners]) listener(signed?.principal);
  }

  #current(): string | undefined {
    const signed = this.#signed;
    return signed !== undefined && Date.now() < signed.expiresAt ? signed.token : undefined;
  }

  /** Returns what the client's options ask for now. */
  #prepare(client: $Client): { readonly vault: $Vault; readonly tabs: $Tabs<P> } {
    const { href: url } = $locate(client, "rpc");
    const options = client.auth;
    if (this.#open === undefined || this.#open.options !== options || this.#open.url !== url) {
      this.#open?.tabs.close();
      const vault = $openVault(client);
      const tabs = new $Tabs<P>(vault.isShared ? `kontract ${url}` : undefined, (news) => this.#hear(vault, news));
      this.#open = { options, url, vault, tabs };
    }
    return this.#open;
  }
}

/** Returns options for a call that brings its own token, or none, and whose answer the server does not keep. */
export function $unsigned(client: $Client, token?: string): $AnyOptions {
  return {
    client: { ...client, token: "", session: undefined },
    hasNoKey: true,
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
  };
}

async function $isRefusal(response: Response): Promise<boolean> {
  if (!response.headers.get("Content-Type")?.startsWith("application/problem+json")) return false;
  const { value } = $parseJson(await $overNetwork(response.clone().text()));
  return $isObject(value) && value["code"] === $INVALID;
}

/** Reads what an access token (RFC 7519) says, which the server alone can verify: its session, and whose it is. */
function $readClaims(token: string): { readonly sid: string; readonly sub: string } {
  const [, claims = ""] = token.split(".");
  return JSON.parse(globalThis.atob(claims.replace(/-/g, "+").replace(/_/g, "/"))) as { sid: string; sub: string };
}

/** Waits for what others wait for, too, but no longer than until the call ends. */
async function $until<T>(signal: AbortSignal, shared: Promise<T>): Promise<T> {
  let end: () => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(signal.reason);
    signal.addEventListener("abort", end);
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([shared, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
