// Calls of procedures that answer with one value.

import type { KontractBatch } from "./batches.ts";
import { $defaultClient, $locate, type $Client } from "./client.ts";
import type { $Declared } from "./errors.ts";
import { $parseJson, $randomText, $writeJson, type $Parsed } from "./json.ts";
import { $isObject, $overNetwork, $send, $unexpected, type CallOptions, type $Outgoing } from "./sending.ts";
import { $decode, type $Codec } from "./values.ts";
import { $Watch } from "./watch.ts";

/** Options of a call that neither writes nor deletes. */
export interface ReadOptions extends CallOptions {
  /** Answers as the data were: a txid, a moment (as a Date or RFC 3339 text). */
  asOf?: number | bigint | Date | string | undefined;
  batch?: KontractBatch | undefined;
  idempotencyKey?: undefined;
}

/** Options of a call that may write. */
export interface WriteOptions extends CallOptions {
  /** Makes calls with the same key one call, whose answer all get. */
  idempotencyKey?: string | undefined;
  batch?: KontractBatch | undefined;
}

/** A file to send; a `File` has a name, too. */
export type KontractUpload = Blob | Uint8Array;

const $JSON_TYPE = "application/json";

/** What the function of a procedure knows of it. */
export interface $Procedure {
  readonly name: string;
  readonly isReadOnly?: true;
  readonly hasGet?: true;
  readonly files?: readonly string[];
  readonly result?: $Codec;
  readonly errors?: $Declared;
}

/** What the generated functions may be given, by callers and by this module. */
export interface $AnyOptions extends WriteOptions {
  asOf?: ReadOptions["asOf"];
  client?: $Client;
  isDryRun?: true;
  /** Is told what would be called, and with which client; nothing is sent. */
  inspect?: (procedure: $Procedure, client: $Client) => void;
  /** The server keeps no answer of this call. */
  hasNoKey?: true;
  /** Doing it twice does no harm. */
  isRepeatable?: true;
}

/** @internal */
export function __kontract_rpc<T>(procedure: $Procedure, args: object = {}, options: $AnyOptions = {}): Promise<T> {
  if (options.inspect !== undefined) {
    options.inspect(procedure, options.client ?? $defaultClient);
    return new Promise<T>(() => {});
  }
  return options.batch === undefined ? $call(procedure, args, options) : options.batch.add(procedure, args, options);
}

async function $call<T>(procedure: $Procedure, args: object, options: $AnyOptions): Promise<T> {
  const outgoing = $prepare(procedure, args, options, $JSON_TYPE);
  return $watched(outgoing, (watch) =>
    $send(outgoing, watch, async (response) => {
      const { value, isWide } = await $readJson(response);
      if (!$isObject(value) || !("result" in value)) throw $unexpected(response);
      const result = $decode(procedure.result, value["result"], isWide);
      return (options.isDryRun ? { ...value, result } : result) as T;
    }),
  );
}

/** Runs a call with its deadline. */
export async function $watched<T>(outgoing: $Outgoing, run: (watch: $Watch) => Promise<T>): Promise<T> {
  const watch = new $Watch(outgoing.options.signal, outgoing.options.timeout ?? outgoing.client.timeout);
  try {
    return await run(watch);
  } finally {
    watch.stop();
  }
}

/** Returns what a good response says: null as the result where its status promises no content. */
export async function $readJson(response: Response): Promise<$Parsed> {
  const text = await $overNetwork(response.text());
  if (text === "") return { value: { result: null }, isWide: false };
  if (!response.headers.get("Content-Type")?.startsWith($JSON_TYPE)) throw $unexpected(response);
  return $parseJson(text);
}

const $LONGEST_URL = 2000; // longer ones do not pass every proxy

/** Makes the request of a call whose answer has the type `accept`. */
export function $prepare(procedure: $Procedure, args: object, options: $AnyOptions, accept: string): $Outgoing {
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
    if (whole.href.length <= $LONGEST_URL) return { ...outgoing, url: whole, method: "GET" };
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
export function $makeKey(options: WriteOptions, canHaveOne: boolean, client: $Client): string | undefined {
  const isRetried = canHaveOne && (options.retries ?? client.retries) > 0;
  return options.idempotencyKey ?? (isRetried ? $randomText() : undefined);
}

function $makeCallHeaders(options: $AnyOptions, key: string | undefined, accept: string): Record<string, string> {
  const { asOf } = options;
  return {
    Accept: `${accept}, application/problem+json`,
    ...(asOf === undefined ? {} : { "Kontract-As-Of": asOf instanceof Date ? asOf.toISOString() : String(asOf) }),
    ...(options.isDryRun ? { "Kontract-Dry-Run": "1" } : {}),
    ...(key === undefined ? {} : { "Idempotency-Key": key }),
  };
}

function $makeForm(files: readonly string[], args: object): FormData {
  const form = new FormData();
  const kwargs = Object.entries(args).filter(([name]) => !files.includes(name));
  form.append("kwargs", $writeJson(Object.fromEntries(kwargs)));
  for (const name of files) {
    const given = (args as Record<string, KontractUpload | readonly KontractUpload[] | null | undefined>)[name];
    for (const file of $isList(given) ? given : [given]) $appendFile(form, name, file);
  }
  return form;
}

function $isList(given: unknown): given is readonly KontractUpload[] {
  return Array.isArray(given);
}

function $appendFile(form: FormData, name: string, file: KontractUpload | null | undefined): void {
  if (file === null || file === undefined) return;
  const blob = file instanceof Blob ? file : new Blob([file as never]); // TypeScript 5.7 renamed what a Blob takes
  form.append(name, blob, "name" in blob && typeof blob.name === "string" ? blob.name : name);
}
