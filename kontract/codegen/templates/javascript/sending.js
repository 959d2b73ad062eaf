// One call, sent until it is answered or must be given up.
import { $makeHeaders } from "./client.js";
import { $makeProblem, KontractError, KontractNetworkError, KontractProtocolError, } from "./errors.js";
import { $parseJson } from "./json.js";
import { $carry } from "./raystream.js";
const $FIRST_DELAY = 200; // milliseconds
const $LONGEST_DELAY = 60_000;
/** Sends until `read` has made something of a good response; rejects with what `watch` makes of the failure. */
export async function $send(outgoing, watch, read) {
    const retries = outgoing.options.retries ?? outgoing.client.retries;
    for (let attempt = 0;; attempt++) {
        try {
            return await read(await $fetchOnce(outgoing, watch.signal));
        }
        catch (error) {
            const failure = watch.explain(error);
            const delay = attempt < retries ? $findDelay(failure, attempt, outgoing.isRepeatable) : undefined;
            if (delay === undefined || delay > watch.left())
                throw failure;
            await watch.sleep(delay);
        }
    }
}
async function $fetchOnce(outgoing, signal) {
    const { client, url, method, body, options } = outgoing;
    const headers = await $makeHeaders(client, url, options.headers);
    for (const [name, value] of Object.entries(outgoing.headers))
        headers.set(name, value);
    signal.throwIfAborted();
    const { credentials } = client;
    const init = { method, headers, credentials, signal, ...(body === undefined ? {} : { body }) };
    const send = () => $carry(client, url, init);
    const response = await (client.session?.send(client, headers, signal, send) ?? send());
    options.onResponse?.($describe(response));
    if (!response.ok)
        throw await $readFailure(response, outgoing.declared);
    return response;
}
/** Tells failures of the network from mistakes in the calling code, both of which are a TypeError to fetch(). */
export async function $overNetwork(io) {
    try {
        return await io;
    }
    catch (error) {
        if (error instanceof KontractNetworkError)
            throw error; // of the encrypted channel, which knows more
        throw new KontractNetworkError(`The server could not be reached: ${String(error)}`, "network_error", {
            cause: error,
        });
    }
}
function $describe({ status, headers }) {
    const txid = headers.get("Kontract-Txid");
    return {
        status,
        headers,
        txid: txid === null ? undefined : Number(txid),
        isReplay: headers.has("Kontract-Replayed"),
    };
}
async function $readFailure(response, declared) {
    const text = await $overNetwork(response.text());
    const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
    const problem = isProblem ? $parseJson(text).value : undefined;
    if (!$isObject(problem) || typeof problem["code"] !== "string")
        return $unexpected(response);
    return $makeProblem(problem, declared, $readRetryAfter(response));
}
export function $isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
export function $unexpected(response) {
    const type = response.headers.get("Content-Type") ?? "nothing";
    const detail = `The server answered ${response.status} with ${type}, as kontract does not.`;
    return new KontractProtocolError(detail, "unexpected_response", {
        status: response.status,
        retryAfter: $readRetryAfter(response),
    });
}
export function $readRetryAfter(response) {
    const value = response.headers.get("Retry-After");
    if (value === null)
        return undefined;
    const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
    return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
/** Returns the milliseconds to wait before the call may be sent again; undefined: never. */
function $findDelay(failure, attempt, isRepeatable) {
    if (!$isWorthRepeating(failure, isRepeatable))
        return undefined;
    const asked = failure instanceof KontractError ? failure.retryAfter : undefined;
    const backoff = Math.random() * $FIRST_DELAY * 2 ** attempt; // at random, lest all clients come back at once
    const delay = (asked ?? 0) * 1000 + backoff;
    return delay > $LONGEST_DELAY ? undefined : delay;
}
function $isWorthRepeating(failure, isRepeatable) {
    if (failure instanceof KontractNetworkError)
        return isRepeatable;
    if (!(failure instanceof KontractError))
        return false;
    if (failure.code === "idempotency_in_progress" || failure.status === 429)
        return true;
    return isRepeatable && [502, 503, 504].includes(failure.status);
}
