// What a client of the encrypted channel is built with; kontract_compile writes it.

import type { RaystreamOptions } from "./client.ts";

export function $hasChannel(): boolean {
  return true;
}

/** The server's name, its public keys, the current one first, and the suites that it takes, by preference. */
export const raystreamPins: RaystreamOptions = { audience: "", keys: [], suites: [] };
