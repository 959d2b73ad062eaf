// Functions of a client of its own.

import type { $AnyOptions } from "./calls.ts";
import type { $Client } from "./client.ts";

type $Functions = { readonly [name: string]: (args: never, options?: never) => unknown };

/** Returns the same functions, which call with this client. */
export function $bind<F extends $Functions>(functions: F, client: $Client): F {
  const bound = Object.entries(functions).map(([name, call]) => {
    const run = call as unknown as (args: unknown, options: $AnyOptions) => unknown;
    return [name, (args: unknown, options: $AnyOptions) => run(args, { ...options, client })] as const;
  });
  return Object.fromEntries(bound) as unknown as F;
}
