// How requests go where the server has no encrypted channel.

import type { $Client } from "./client.ts";
import { $overNetwork, type $Init } from "./sending.ts";

export function $hasChannel(): boolean {
  return false;
}

/** Sends a request as it is. */
export async function $carry(client: $Client, url: URL, init: $Init): Promise<Response> {
  if (client.raystream !== false)
    throw new TypeError(
      'This client has no encrypted channel: set up KONTRACT["RAYSTREAM"], and run kontract_compile again.',
    );
  return $overNetwork(client.fetch(url.href, init));
}
