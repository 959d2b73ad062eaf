// Who is here.

import { auth, configure, myName } from "./api.js";

const KEY = "refresh-token";

/**
 * Keeps a visitor's session as long as the tab, however requests are sent: the encrypted channel has no cookies. A page
 * that is never sealed should leave this out; then the token is in a cookie that no script can read.
 */
const tab = {
  load: () => sessionStorage.getItem(KEY) ?? undefined,
  save: (token) => sessionStorage.setItem(KEY, token),
  clear: () => sessionStorage.removeItem(KEY),
};

configure({ auth: { storage: tab } });

export const isGuest = () => auth.principal?.email == null;
export const email = () => auth.principal?.email ?? "";

/** Makes a call that changes something; somebody new becomes a guest first. */
export async function act(call) {
  if (auth.principal === undefined) await auth.anonymous();
  return call();
}

/** Takes up the session that this tab had, if any. */
export const resume = () => auth.refresh();

/** Gives the guest, or somebody new, an account. */
export async function register(credentials) {
  return auth.principal === undefined ? auth.register(credentials) : auth.link(credentials);
}

/** Signs in, and brings along what the guest had. */
export async function signIn(credentials) {
  const guest = auth.principal === undefined ? undefined : await auth.token();
  await auth.login(credentials);
  if (guest !== undefined) await auth.merge(guest, { commit: true });
}

export const signOut = () => auth.logout();

/** Returns the name that others see; "" for nobody. */
export const findName = async () => (auth.principal === undefined ? "" : myName());

/** Tells `listener` whenever somebody else is here. */
export const onWho = (listener) => auth.onChange(listener);
