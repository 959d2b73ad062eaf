// Calls that run for their result and commit nothing.

import type { $AnyOptions, WriteOptions } from "./calls.ts";

/** A document that a call would insert, update or delete. */
export interface KontractChange {
  readonly table: string;
  readonly id: string;
  readonly op: "insert" | "update" | "delete";
  readonly before: unknown;
  readonly after: unknown;
}

/** What a writing call would return, and change. */
export interface KontractDryRun<T> {
  readonly result: T;
  readonly changes: readonly KontractChange[];
}

/** Makes a writing call that commits nothing: `await dryRun(createUser, { name: "Ann" })`. */
export function dryRun<A, T>(
  call: (args: A, options?: WriteOptions) => Promise<T>,
  args: A,
  options: WriteOptions = {},
): Promise<KontractDryRun<T>> {
  const trial: $AnyOptions = { ...options, isDryRun: true };
  return call(args, trial) as Promise<unknown> as Promise<KontractDryRun<T>>;
}
