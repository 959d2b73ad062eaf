// Where a client keeps its refresh token.

import type { $Client } from "./client.ts";

/** Keeps the refresh token: whoever can read it is signed in for as long as the session lasts. */
export interface TokenStorage {
  load(): string | undefined | Promise<string | undefined>;
  save(refreshToken: string): void | Promise<void>;
  clear(): void | Promise<void>;
}

/** How calls are signed in. */
export interface AuthOptions {
  /** "auto": nobody's first call makes an anonymous principal. "manual", by default: auth.anonymous() does. */
  anonymous?: "auto" | "manual" | undefined;
  /**
   * "cookie", by default in pages: the server's, which no script can read. "memory", by default elsewhere: until the
   * program ends. Or a storage of your own.
   */
  storage?: "cookie" | "memory" | TokenStorage | undefined;
}

/** A storage as the session uses it. */
export interface $Vault {
  /** Whether the server keeps the token in a cookie, so that "" stands for it here. */
  readonly isCookie: boolean;
  /** Whether other tabs may have the same token. */
  readonly isShared: boolean;
  readonly storage: TokenStorage;
}

/** The page, where there is one. */
export interface $Page {
  readonly document?: { cookie: string } | undefined;
  readonly location?: { readonly protocol: string } | undefined;
}

const $HINT = "kontract_signed_in";
const $HINT_SECONDS = 90 * 86_400;

/** Returns the storage that a client's options say. */
export function $openVault(client: $Client): $Vault {
  const given = $readAuth(client).storage ?? ($canHaveCookie(client) ? "cookie" : "memory");
  if (given === "cookie") return { isCookie: true, isShared: true, storage: $makeHint() };
  if (given === "memory") return { isCookie: false, isShared: false, storage: $makeMemory() };
  return { isCookie: false, isShared: true, storage: given };
}

export function $readAuth(client: $Client): AuthOptions {
  return (client.auth ?? {}) as AuthOptions;
}

function $canHaveCookie(client: $Client): boolean {
  // The channel has no cookies; a worker has, but no token against CSRF, which a page reads from one.
  return (globalThis as $Page).document !== undefined && client.raystream === false;
}

function $makeMemory(): TokenStorage {
  let kept: string | undefined;
  return {
    load: () => kept,
    save: (token) => void (kept = token),
    clear: () => void (kept = undefined),
  };
}

/**
 * Notes whether the server's cookie may be there, in a cookie that says nothing else: so a page of somebody who has
 * never signed in asks the server nothing. In workers, which have no cookies, it is asked once.
 */
function $makeHint(): TokenStorage {
  const { document, location } = globalThis as $Page;
  let mayBe = true;
  const note = (value: string, seconds: number): void => {
    mayBe = seconds > 0;
    const safe = location?.protocol === "https:" ? "; secure" : "";
    if (document !== undefined) document.cookie = `${$HINT}=${value}; path=/; max-age=${seconds}; samesite=strict${safe}`;
  };
  return {
    load: () => ((document === undefined ? mayBe : document.cookie.includes(`${$HINT}=1`)) ? "" : undefined),
    save: () => note("1", $HINT_SECONDS),
    clear: () => note("", 0),
  };
}
