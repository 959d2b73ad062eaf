// Who calls: nobody, whom Django's session signs in, or whom a token does.  Tokens are kept for this tab, and no longer.
const KEY = "kontract-docs-session";
const EARLY = 30_000; // milliseconds before its end that an access token is replaced

export class Session extends EventTarget {
  #call;
  #state = null; // { access, refresh, ends, name }

  constructor(call) {
    super();
    this.#call = call;
    try {
      this.#state = JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      this.#state = null; // the browser keeps nothing for this page
    }
  }

  get hasToken() {
    return this.#state !== null;
  }

  /** Who calls, in words. */
  get name() {
    return this.#state?.name ?? this.#call.session;
  }

  /** Returns headers for a call.  Throws Error where the session has ended. */
  async authorise() {
    if (this.#state === null) {
      const token = document.querySelector("meta[name=csrf-token]")?.content;
      return token ? { "X-CSRFToken": token } : {};
    }
    if (this.#state.refresh && Date.now() > this.#state.ends - EARLY) await this.#refresh();
    return { Authorization: `Bearer ${this.#state.access}` };
  }

  async #refresh() {
    try {
      const refresh_token = this.#state.refresh;
      this.#take(await this.#ask("auth_refresh", { refresh_token }));
    } catch (error) {
      this.signOut();
      throw error;
    }
  }

  async beginAsVisitor() {
    this.#take(await this.#ask("auth_anonymous", {}));
  }

  async signIn(provider, credentials) {
    this.#take(await this.#ask("auth_login", { provider, credentials }));
  }

  useToken(access) {
    this.#keep({ access, refresh: null, ends: null, name: "Token" });
  }

  signOut() {
    this.#keep(null);
  }

  async #ask(procedure, kwargs) {
    const response = await fetch(`${this.#call.mount}/rpc/${procedure}`, {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kwargs }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail ?? answer.title);
    return answer.result;
  }

  #take({ access_token, refresh_token, expires_in, principal }) {
    const name = principal.is_anonymous ? `Visitor ${principal.id.slice(0, 6)}` : (principal.email ?? principal.username);
    this.#keep({ access: access_token, refresh: refresh_token, ends: Date.now() + expires_in * 1000, name });
  }

  #keep(state) {
    this.#state = state;
    try {
      if (state === null) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      // It holds for this page alone.
    }
    this.dispatchEvent(new Event("change"));
  }
}
