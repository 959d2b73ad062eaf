// Signing in and out, for callers.

import type { $AnyOptions } from "./calls.ts";
import type { $Client } from "./client.ts";
import { KontractProblem } from "./errors.ts";
import { $unsigned, type $AuthSession, type $SessionFunctions, type $Tokens } from "./auth_session.ts";

type $Credentials = { readonly [name: string]: string };
type $Nothing = { readonly [name: string]: never };
type $Call<A, T> = (args: A, options?: $AnyOptions) => Promise<T>;
type $SignIn<P> = $Call<{ credentials: { [name: string]: string }; provider?: string; cookie: boolean }, $Tokens<P>>;
type $Which = "this" | "others" | "all";

/** The procedures of signing in. */
export interface $AuthFunctions<P, S, M> extends $SessionFunctions<P> {
  register: $SignIn<P>;
  login: $SignIn<P>;
  link: $SignIn<P>;
  password: $Call<{ old_password: string; new_password: string; cookie: boolean }, $Tokens<P>>;
  merge: $Call<{ source_token: string; commit: boolean }, M>;
  unmerge: $Call<{ principal: string }, $Tokens<P>>;
  logout: $Call<{ which: $Which }, number>;
  me(args?: $Nothing, options?: object): Promise<P | null>;
  sessions(args?: $Nothing, options?: object): Promise<S[]>;
  revoke: $Call<{ session: string }, boolean>;
  requestReset: $Call<{ email: string }, null>;
  reset: $Call<{ token: string; new_password: string }, null>;
  requestVerification: $Call<$Nothing, null>;
  verify: $Call<{ token: string }, null>;
}

/** Who calls. */
export interface $Auth<P, S, M> {
  /** Whom the calls are made for, as far as this program knows; undefined: nobody. */
  readonly principal: P | undefined;
  /** Is told whenever that changes, in other tabs as well; returns what stops it. */
  onChange(listener: (principal: P | undefined) => void): () => void;
  /** Returns a good access token, for requests of your own; undefined: nobody is signed in. */
  token(): Promise<string | undefined>;
  /** Begins as a visitor, with a principal of one's own. */
  anonymous(): Promise<P>;
  /** Makes a new account and signs in to it. */
  register(credentials: $Credentials, provider?: string): Promise<P>;
  /** Signs in to an account. */
  login(credentials: $Credentials, provider?: string): Promise<P>;
  /** Gives an account to the visitor, who keeps the id and all data. */
  link(credentials: $Credentials, provider?: string): Promise<P>;
  /** Previews what the visitor with this access token owns; with `commit`, takes it over. */
  merge(sourceToken: string, options?: { commit?: boolean }): Promise<M>;
  /** Undoes a merge; returns the visitor's tokens, and leaves who calls as it is. */
  unmerge(principal: string): Promise<$Tokens<P>>;
  /** Gets the next tokens now; calls do so by themselves. Undefined: nobody is signed in. */
  refresh(): Promise<P | undefined>;
  /** Ends this session, the others, or all; returns how many. */
  logout(which?: $Which): Promise<number>;
  /** Changes one's password, which ends all other sessions. */
  password(oldPassword: string, newPassword: string): Promise<P>;
  /** Asks the server who calls; null for nobody. */
  me(): Promise<P | null>;
  sessions(): Promise<S[]>;
  /** Ends one of one's sessions. */
  revoke(session: string): Promise<boolean>;
  requestReset(email: string): Promise<null>;
  reset(token: string, newPassword: string): Promise<null>;
  requestVerification(): Promise<null>;
  verify(token: string): Promise<null>;
}

/** Returns what signs a client in; `find` returns the client, whose options may change. */
export function $makeAuth<P, S, M>(
  functions: $AuthFunctions<P, S, M>,
  session: $AuthSession<P>,
  find: () => $Client,
): $Auth<P, S, M> {
  const own = (): $AnyOptions => ({ client: find(), hasNoKey: true });
  const open = (token?: string): $AnyOptions => $unsigned(find(), token);
  /** Signs in; with `asCaller`, as who calls already does. */
  const enter =
    (call: $SignIn<P>, asCaller: boolean) =>
    async (credentials: $Credentials, provider?: string): Promise<P> => {
      const client = find();
      const options = open(asCaller ? await session.resume(client) : undefined);
      const args = { credentials, ...(provider === undefined ? {} : { provider }), cookie: session.usesCookie(client) };
      return session.signIn(client, () => call(args, options));
    };
  return {
    get principal() {
      return session.principal;
    },
    onChange: (listener) => session.listen(find(), listener),
    token: () => session.find(find()),
    async anonymous() {
      const client = find();
      const options = open(await session.resume(client));
      return session.signIn(client, () => functions.anonymous({ cookie: session.usesCookie(client) }, options));
    },
    register: enter(functions.register, true),
    login: enter(functions.login, false),
    link: enter(functions.link, true),
    merge: (sourceToken, { commit = false } = {}) => functions.merge({ source_token: sourceToken, commit }, own()),
    unmerge: (principal) => functions.unmerge({ principal }, own()),
    async refresh() {
      await session.resume(find(), true);
      return session.principal;
    },
    async logout(which = "this") {
      const client = find();
      try {
        const token = await session.resume(client);
        if (token === undefined) return 0;
        const ended = await functions.logout({ which }, open(token));
        if (which !== "others") await session.end(client);
        return ended;
      } catch (error) {
        if (!(error instanceof KontractProblem) || error.code !== "invalid_token") throw error;
        await session.end(client); // it has ended already
        return 0;
      }
    },
    async password(oldPassword, newPassword) {
      const client = find();
      const options = open(await session.resume(client));
      const args = { old_password: oldPassword, new_password: newPassword, cookie: session.usesCookie(client) };
      return session.signIn(client, () => functions.password(args, options));
    },
    async me() {
      const token = await session.resume(find());
      return token === undefined ? null : functions.me({}, own());
    },
    sessions: () => functions.sessions({}, own()),
    revoke: (one) => functions.revoke({ session: one }, own()),
    requestReset: (email) => functions.requestReset({ email }, open()),
    reset: (token, newPassword) => functions.reset({ token, new_password: newPassword }, open()),
    requestVerification: () => functions.requestVerification({}, own()),
    verify: (token) => functions.verify({ token }, open()),
  };
}
