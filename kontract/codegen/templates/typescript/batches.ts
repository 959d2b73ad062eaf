// Several calls in one request. Each is its own transaction, and none of them stops the others.

import { $makeKey, $readJson, $watched, type $AnyOptions, type $Procedure } from "./calls.ts";
import { $defaultClient, $locate, type $Client } from "./client.ts";
import { $makeProblem, type KontractProblemDocument } from "./errors.ts";
import { $writeJson } from "./json.ts";
import { $send, $unexpected, type CallOptions, type $Outgoing } from "./sending.ts";
import { $decode } from "./values.ts";
import type { $Watch } from "./watch.ts";

interface $Item {
  readonly result?: unknown;
  readonly problem?: KontractProblemDocument;
}

interface $Waiting {
  readonly call: { procedure: string; kwargs: object; idempotency_key?: string };
  readonly isRepeatable: boolean;
  readonly settle: (item: $Item, isWide: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls that wait to be sent together. */
export class KontractBatch {
  readonly #client: $Client;
  readonly #waiting: $Waiting[] = [];
  #isSent = false;

  constructor(client: $Client) {
    this.#client = client;
  }

  add<T>(procedure: $Procedure, kwargs: object, options: $AnyOptions): Promise<T> {
    this.#check(procedure, options);
    const key = procedure.isReadOnly ? undefined : $makeKey(options, true, this.#client);
    const call = { procedure: procedure.name, kwargs, ...(key === undefined ? {} : { idempotency_key: key }) };
    const isRepeatable = procedure.isReadOnly === true || key !== undefined;
    const promise = new Promise<T>((resolve, reject) => {
      const settle = ({ problem, result }: $Item, isWide: boolean): void => {
        if (problem !== undefined) reject($makeProblem(problem, procedure.errors));
        else resolve($decode(procedure.result, result, isWide) as T);
      };
      this.#waiting.push({ call, isRepeatable, settle, reject });
    });
    promise.catch(() => {}); // batch() tells of it, so nobody has to wait for each call
    return promise;
  }

  #check(procedure: $Procedure, { batch: _, client, idempotencyKey: __, ...others }: $AnyOptions): void {
    const unfit = Object.entries(others).find(([, value]) => value !== undefined);
    if (unfit !== undefined)
      throw new TypeError(`A call in a batch takes no ${unfit[0]}; give it to batch(), or call alone.`);
    if (client !== undefined && client !== this.#client)
      throw new TypeError("A batch has calls of its own client only.");
    if (procedure.files !== undefined)
      throw new TypeError(`${procedure.name} takes files, which a batch cannot carry.`);
    if (this.#isSent) throw new TypeError("The batch is sent already; make all of its calls within the function.");
  }

  async flush(options: CallOptions): Promise<void> {
    this.#isSent = true;
    if (this.#waiting.length === 0) return;
    const outgoing: $Outgoing = {
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
    } catch (error) {
      for (const { reject } of this.#waiting) reject(error);
      throw error;
    }
  }

  async #receive(response: Response, watch: $Watch): Promise<void> {
    const { value, isWide } = await $readJson(response);
    if (!Array.isArray(value) || value.length !== this.#waiting.length) throw $unexpected(response);
    for (const [index, { settle, reject }] of this.#waiting.entries()) {
      try {
        settle(value[index] as $Item, isWide);
      } catch (error) {
        reject(watch.explain(error)); // this call's answer cannot be read; those of the others can
      }
    }
  }
}

type $Settled<C extends readonly unknown[]> = {
  -readonly [P in keyof C]: PromiseSettledResult<Awaited<C[P]>>;
};

type $MakeCalls<C> = (options: { readonly batch: KontractBatch }) => C;

/**
 * Sends several calls in one request, and settles each as Promise.allSettled() does:
 * `const [user, orders] = await batch((b) => [createUser({ name: "Ann" }, b), listOrders({}, b)]);`
 */
export function batch<C extends readonly Promise<unknown>[] | []>(
  makeCalls: $MakeCalls<C>,
  options: CallOptions = {},
): Promise<$Settled<C>> {
  return $batch($defaultClient, makeCalls, options);
}

export async function $batch<C extends readonly Promise<unknown>[] | []>(
  client: $Client,
  makeCalls: $MakeCalls<C>,
  options: CallOptions = {},
): Promise<$Settled<C>> {
  const waiting = new KontractBatch(client);
  const calls = makeCalls({ batch: waiting });
  await waiting.flush(options);
  return (await Promise.allSettled(calls)) as $Settled<C>;
}
