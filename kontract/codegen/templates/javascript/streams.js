// Procedures that yield their results one by one, as JSON Lines.
import { $prepare } from "./calls.js";
import { KontractProtocolError, $makeProblem } from "./errors.js";
import { $parseJson } from "./json.js";
import { $isObject, $overNetwork, $send, $unexpected } from "./sending.js";
import { $decode } from "./values.js";
import { $Watch } from "./watch.js";
const $JSON_LINES = "application/jsonl";
/** Calls when the first item is wanted; whoever leaves the loop early ends the call. @internal */
export async function* __kontract_stream(procedure, args = {}, options = {}) {
    if (options.batch !== undefined)
        throw new TypeError(`${procedure.name} is a stream, which a batch cannot carry.`);
    const outgoing = $prepare(procedure, args, options, $JSON_LINES);
    const watch = new $Watch(options.signal, options.timeout ?? outgoing.client.timeout);
    try {
        const response = await $send(outgoing, watch, async (started) => started);
        watch.disarm();
        if (response.body === null || !response.headers.get("Content-Type")?.startsWith($JSON_LINES))
            throw $unexpected(response);
        for await (const text of $readLines(response.body)) {
            const { value, isWide } = $parseJson(text);
            if (!$isObject(value))
                throw $unexpected(response);
            if ("done" in value)
                return;
            if ("problem" in value)
                throw $makeProblem(value["problem"], procedure.errors);
            yield $decode(procedure.result, value["item"], isWide);
        }
        throw new KontractProtocolError("The stream broke off before its end.", "truncated_stream", {
            status: response.status,
        });
    }
    catch (error) {
        throw watch.explain(error);
    }
    finally {
        watch.stop();
        watch.cancel();
    }
}
/** Yields the lines that end. */
async function* $readLines(body) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
        const { done, value } = await $overNetwork(reader.read());
        if (done)
            return;
        const chunk = decoder.decode(value, { stream: true });
        const last = chunk.lastIndexOf("\n") + 1;
        if (last > 0) {
            yield* (rest + chunk.slice(0, last - 1)).split("\n");
            rest = "";
        }
        rest += chunk.slice(last);
    }
}
