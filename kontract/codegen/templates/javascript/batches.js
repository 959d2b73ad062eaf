// Several calls in one request. Each is its own transaction, and none of them stops the others.
import { $makeKey, $readJson, $watched } from "./calls.js";
import { $defaultClient, $locate } from "./client.js";
import { $makeProblem } from "./errors.js";
import { $writeJson } from "./json.js";
import { $send, $unexpected } from "./sending.js";
import { $decode } from "./values.js";
/** Calls that wait to be sent together. */
export class KontractBatch {
    #client;
    #waiting = [];
    #isSent = false;
    constructor(client) {
        this.#client = client;
    }
    add(procedure, kwargs, options) {
        this.#check(procedure, options);
        const key = procedure.isReadOnly ? undefined : $makeKey(options, true, this.#client);
        const call = { procedure: procedure.name, kwargs, ...(key === undefined ? {} : { idempotency_key: key }) };
        const isRepeatable = procedure.isReadOnly === true || key !== undefined;
        const promise = new Promise((resolve, reject) => {
            const settle = ({ problem, result }, isWide) => {
                if (problem !== undefined)
                    reject($makeProblem(problem, procedure.errors));
                else
                    resolve($decode(procedure.result, result, isWide));
            };
            this.#waiting.push({ call, isRepeatable, settle, reject });
        });
        promise.catch(() => { }); // batch() tells of it, so nobody has to wait for each call
        return promise;
    }
    #check(procedure, { batch: _, client, idempotencyKey: __, ...others }) {
        const unfit = Object.entries(others).find(([, value]) => value !== undefined);
        if (unfit !== undefined)
            throw new TypeError(`A call in a batch takes no ${unfit[0]}; give it to batch(), or call alone.`);
        if (client !== undefined && client !== this.#client)
            throw new TypeError("A batch has calls of its own client only.");
        if (procedure.files !== undefined)
            throw new TypeError(`${procedure.name} takes files, which a batch cannot carry.`);
        if (this.#isSent)
            throw new TypeError("The batch is sent already; make all of its calls within the function.");
    }
    async flush(options) {
        this.#isSent = true;
        if (this.#waiting.length === 0)
            return;
        const outgoing = {
            client: this.#client,
            url: $locate(this.#client, "rpc"),
            method: "POST",
            headers: { Accept: "application/json, application/problem+json", "Content-Type": "application/json" },
            body: $writeJson(this.#waiting.map(({ call }) => call)),
            options,
            isRepeatable: this.#waiting.every((one) => one.isRepeatable),
        };
        try {
            await $watched(outgoing, (watch) => $send(outgoing, watch, (response) => this.#receive(response, watch)));
        }
        catch (error) {
            for (const { reject } of this.#waiting)
                reject(error);
            throw error;
        }
    }
    async #receive(response, watch) {
        const { value, isWide } = await $readJson(response);
        if (!Array.isArray(value) || value.length !== this.#waiting.length)
            throw $unexpected(response);
        for (const [index, { settle, reject }] of this.#waiting.entries()) {
            try {
                settle(value[index], isWide);
            }
            catch (error) {
                reject(watch.explain(error)); // this call's answer cannot be read; those of the others can
            }
        }
    }
}
/**
 * Sends several calls in one request, and settles each as Promise.allSettled() does:
 * `const [user, orders] = await batch((b) => [createUser({ name: "Ann" }, b), listOrders({}, b)]);`
 */
export function batch(makeCalls, options = {}) {
    return $batch($defaultClient, makeCalls, options);
}
export async function $batch(client, makeCalls, options = {}) {
    const waiting = new KontractBatch(client);
    const calls = makeCalls({ batch: waiting });
    await waiting.flush(options);
    return (await Promise.allSettled(calls));
}
