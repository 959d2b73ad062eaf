// Where calls go, and with what.
import { $hasChannel } from "./raystream_pins.js";
const $DEFAULTS = {
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
export function configure(options) {
    $defaultClient = $makeClient(options, $defaultClient);
}
/** Makes all calls of this module's functions those of a session's owner. */
export function $setSession(session) {
    $defaultClient = { ...$defaultClient, session };
}
export function $makeClient(options, base = $DEFAULTS) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return { ...base, ...Object.fromEntries(given), self: {} };
}
/** Returns the absolute URL of a path below `baseUrl`. */
export function $locate(client, path) {
    const page = globalThis.location;
    try {
        return new URL(`${client.baseUrl.replace(/\/+$/, "")}/${path}`, page?.href);
    }
    catch (error) {
        throw new TypeError(`${client.baseUrl} is no absolute URL, and no page completes it: configure({ baseUrl: "https://..." })`, { cause: error });
    }
}
/** Returns the headers of one request; `own` win over those of all. */
export async function $makeHeaders(client, url, own) {
    const headers = new Headers(typeof client.headers === "function" ? await client.headers() : client.headers);
    const token = typeof client.token === "function" ? await client.token() : client.token;
    if (token)
        headers.set("Authorization", `Bearer ${token}`);
    const csrf = client.raystream === false ? $readCsrfToken(client, url) : undefined; // else no cookies go along
    if (csrf !== undefined && !headers.has(client.csrfHeader))
        headers.set(client.csrfHeader, csrf);
    new Headers(own).forEach((value, name) => headers.set(name, value));
    return headers;
}
function $readCsrfToken(client, url) {
    const { document, location } = globalThis;
    if (url.origin !== location?.origin)
        return undefined;
    const start = `${client.csrfCookie}=`;
    const cookie = document?.cookie.split("; ").find((one) => one.startsWith(start));
    return cookie?.slice(start.length);
}
