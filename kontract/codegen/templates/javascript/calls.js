// Calls of procedures that answer with one value.
import { $defaultClient, $locate } from "./client.js";
import { $parseJson, $randomText, $writeJson } from "./json.js";
import { $isObject, $overNetwork, $send, $unexpected } from "./sending.js";
import { $decode } from "./values.js";
import { $Watch } from "./watch.js";
const $JSON_TYPE = "application/json";
/** @internal */
export function __kontract_rpc(procedure, args = {}, options = {}) {
    if (options.inspect !== undefined) {
        options.inspect(procedure, options.client ?? $defaultClient);
        return new Promise(() => { });
    }
    return options.batch === undefined ? $call(procedure, args, options) : options.batch.add(procedure, args, options);
}
async function $call(procedure, args, options) {
    const outgoing = $prepare(procedure, args, options, $JSON_TYPE);
    return $watched(outgoing, (watch) => $send(outgoing, watch, async (response) => {
        const { value, isWide } = await $readJson(response);
        if (!$isObject(value) || !("result" in value))
            throw $unexpected(response);
        const result = $decode(procedure.result, value["result"], isWide);
        return (options.isDryRun ? { ...value, result } : result);
    }));
}
/** Runs a call with its deadline. */
export async function $watched(outgoing, run) {
    const watch = new $Watch(outgoing.options.signal, outgoing.options.timeout ?? outgoing.client.timeout);
    try {
        return await run(watch);
    }
    finally {
        watch.stop();
    }
}
/** Returns what a good response says: null as the result where its status promises no content. */
export async function $readJson(response) {
    const text = await $overNetwork(response.text());
    if (text === "")
        return { value: { result: null }, isWide: false };
    if (!response.headers.get("Content-Type")?.startsWith($JSON_TYPE))
        throw $unexpected(response);
    return $parseJson(text);
}
const $LONGEST_URL = 2000; // longer ones do not pass every proxy
/** Makes the request of a call whose answer has the type `accept`. */
export function $prepare(procedure, args, options, accept) {
    const client = options.client ?? $defaultClient;
    const isSafe = procedure.isReadOnly === true || options.isDryRun === true || options.isRepeatable === true;
    const key = isSafe || options.hasNoKey ? undefined : $makeKey(options, accept === $JSON_TYPE, client);
    const headers = $makeCallHeaders(options, key, accept);
    const isRepeatable = isSafe || key !== undefined;
    const outgoing = { client, options, declared: procedure.errors, isRepeatable, headers };
    const url = $locate(client, `rpc/${procedure.name}`);
    if (procedure.files !== undefined)
        return { ...outgoing, url, method: "POST", body: $makeForm(procedure.files, args) };
    if (procedure.hasGet && client.useGet) {
        const kwargs = $writeJson(args);
        const whole = kwargs === "{}" ? url : new URL(`${url.href}?kwargs=${encodeURIComponent(kwargs)}`);
        if (whole.href.length <= $LONGEST_URL)
            return { ...outgoing, url: whole, method: "GET" };
    }
    return {
        ...outgoing,
        url,
        method: "POST",
        headers: { ...headers, "Content-Type": $JSON_TYPE },
        body: $writeJson({ kwargs: args }),
    };
}
/** Returns the caller's idempotency key, or where the call may have to be repeated, a new one. */
export function $makeKey(options, canHaveOne, client) {
    const isRetried = canHaveOne && (options.retries ?? client.retries) > 0;
    return options.idempotencyKey ?? (isRetried ? $randomText() : undefined);
}
function $makeCallHeaders(options, key, accept) {
    const { asOf } = options;
    return {
        Accept: `${accept}, application/problem+json`,
        ...(asOf === undefined ? {} : { "Kontract-As-Of": asOf instanceof Date ? asOf.toISOString() : String(asOf) }),
        ...(options.isDryRun ? { "Kontract-Dry-Run": "1" } : {}),
        ...(key === undefined ? {} : { "Idempotency-Key": key }),
    };
}
function $makeForm(files, args) {
    const form = new FormData();
    const kwargs = Object.entries(args).filter(([name]) => !files.includes(name));
    form.append("kwargs", $writeJson(Object.fromEntries(kwargs)));
    for (const name of files) {
        const given = args[name];
        for (const file of $isList(given) ? given : [given])
            $appendFile(form, name, file);
    }
    return form;
}
function $isList(given) {
    return Array.isArray(given);
}
function $appendFile(form, name, file) {
    if (file === null || file === undefined)
        return;
    const blob = file instanceof Blob ? file : new Blob([file]); // TypeScript 5.7 renamed what a Blob takes
    form.append(name, blob, "name" in blob && typeof blob.name === "string" ? blob.name : name);
}
