// Who calls: the access token that goes along, and how the next one is had.
import { $locate } from "./client.js";
import { KontractProblem } from "./errors.js";
import { $parseJson } from "./json.js";
import { $isObject, $overNetwork } from "./sending.js";
import { $openVault, $readAuth } from "./auth_storage.js";
import { $Tabs } from "./auth_tabs.js";
const $INVALID = "invalid_token";
const $MARGIN = 30_000; // milliseconds before its end in which a token is not used any more
const $MARGIN_PART = 0.1; // of a token's life, at most
/** What a client knows of who calls. */
export class $AuthSession {
    #functions;
    #listeners = new Set();
    #open;
    #signed;
    #finding;
    constructor(functions) {
        this.#functions = functions;
    }
    get principal() {
        return this.#signed?.principal;
    }
    /** Tells of changes from now on, in a page also of those in other tabs. */
    listen(client, listener) {
        if (globalThis.location !== undefined)
            this.#prepare(client);
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
    }
    /** Returns whose calls these are, and in which session; undefined: nobody's. */
    async identify(client) {
        const token = await this.find(client);
        return token === undefined ? undefined : $readClaims(token);
    }
    /** Sends a request with an access token; once more with the next one where it is refused, before anything ran. */
    async send(client, headers, signal, send) {
        if (headers.has("Authorization"))
            return send();
        const token = await $until(signal, this.find(client));
        if (token === undefined)
            return send();
        headers.set("Authorization", `Bearer ${token}`);
        const response = await send();
        if (response.status !== 401 || !(await $isRefusal(response)))
            return response;
        const next = await $until(signal, this.find(client, token));
        if (next === undefined || $readClaims(next).sub !== $readClaims(token).sub)
            return response; // never as another
        headers.set("Authorization", `Bearer ${next}`);
        return send();
    }
    /** Returns a good access token that is not `used`; undefined for nobody. All who wait share one request. */
    find(client, used) {
        const token = this.#current();
        if (token !== undefined && token !== used)
            return Promise.resolve(token);
        const mayBegin = used === undefined && $readAuth(client).anonymous === "auto";
        this.#finding ??= this.#find(client, mayBegin).finally(() => (this.#finding = undefined));
        return this.#finding;
    }
    async #find(client, mayBegin) {
        const token = await this.resume(client, true);
        if (token !== undefined || !mayBegin)
            return token;
        const begin = async () => this.#current() ?? (await this.adopt(client, await this.#begin(client))).token;
        return this.#prepare(client).tabs.alone(begin);
    }
    #begin(client) {
        return this.#functions.anonymous({ cookie: this.usesCookie(client) }, $unsigned(client));
    }
    /** As find(), but makes no principal; a token that is good is left unless `isForced`. */
    async resume(client, isForced = false) {
        const before = this.#current();
        if (before !== undefined && !isForced)
            return before;
        const used = this.#signed?.token;
        return this.#prepare(client).tabs.alone(async () => {
            const current = this.#current();
            return current !== undefined && current !== used ? current : this.#refresh(client);
        });
    }
    async #refresh(client) {
        const { vault } = this.#prepare(client);
        const kept = await vault.storage.load();
        if (kept === undefined)
            return undefined;
        const args = vault.isCookie ? {} : { refresh_token: kept };
        try {
            const tokens = await this.#functions.refresh(args, { ...$unsigned(client), isRepeatable: true });
            return (await this.adopt(client, tokens)).token;
        }
        catch (error) {
            if (!(error instanceof KontractProblem) || error.code !== $INVALID)
                throw error;
            const wasSigned = this.#signed !== undefined;
            await this.end(client);
            if (wasSigned)
                throw error; // whoever was somebody a moment ago must not go on as nobody without noticing
            return undefined;
        }
    }
    usesCookie(client) {
        return this.#prepare(client).vault.isCookie;
    }
    /** Runs what signs in, while nothing else changes who calls, and keeps what it is answered. */
    signIn(client, call) {
        return this.#prepare(client).tabs.alone(async () => (await this.adopt(client, await call())).principal);
    }
    async adopt(client, tokens) {
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
    async end(client) {
        const { vault, tabs } = this.#prepare(client);
        const sid = this.#signed?.sid;
        await vault.storage.clear();
        this.#sign(undefined);
        if (sid !== undefined)
            tabs.tell({ sid });
    }
    #hear(vault, { sid, signed, refreshToken }) {
        const isOwn = this.#signed?.sid === sid;
        if (signed === undefined) {
            if (isOwn)
                this.#sign(undefined);
        }
        else if (isOwn || vault.isCookie) {
            if (refreshToken !== undefined)
                void vault.storage.save(refreshToken);
            this.#sign({ ...signed, sid });
        }
    }
    #sign(signed) {
        const isSame = JSON.stringify(signed?.principal) === JSON.stringify(this.#signed?.principal);
        this.#signed = signed;
        if (!isSame)
            for (const listener of [...this.#listeners])
                listener(signed?.principal);
    }
    #current() {
        const signed = this.#signed;
        return signed !== undefined && Date.now() < signed.expiresAt ? signed.token : undefined;
    }
    /** Returns what the client's options ask for now. */
    #prepare(client) {
        const { href: url } = $locate(client, "rpc");
        const options = client.auth;
        if (this.#open === undefined || this.#open.options !== options || this.#open.url !== url) {
            this.#open?.tabs.close();
            const vault = $openVault(client);
            const tabs = new $Tabs(vault.isShared ? `kontract ${url}` : undefined, (news) => this.#hear(vault, news));
            this.#open = { options, url, vault, tabs };
        }
        return this.#open;
    }
}
/** Returns options for a call that brings its own token, or none, and whose answer the server does not keep. */
export function $unsigned(client, token) {
    return {
        client: { ...client, token: "", session: undefined },
        hasNoKey: true,
        ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    };
}
async function $isRefusal(response) {
    if (!response.headers.get("Content-Type")?.startsWith("application/problem+json"))
        return false;
    const { value } = $parseJson(await $overNetwork(response.clone().text()));
    return $isObject(value) && value["code"] === $INVALID;
}
/** Reads what an access token (RFC 7519) says, which the server alone can verify: its session, and whose it is. */
function $readClaims(token) {
    const [, claims = ""] = token.split(".");
    return JSON.parse(globalThis.atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
}
/** Waits for what others wait for, too, but no longer than until the call ends. */
async function $until(signal, shared) {
    let end = () => { };
    const ended = new Promise((_, reject) => {
        end = () => reject(signal.reason);
        signal.addEventListener("abort", end);
    });
    try {
        signal.throwIfAborted();
        return await Promise.race([shared, ended]);
    }
    finally {
        signal.removeEventListener("abort", end);
    }
}
