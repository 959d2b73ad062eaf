// The encrypted channel: requests go through it as through fetch(), and so do calls, streams and files of all kinds.

import type { $Client, RaystreamOptions } from "./client.ts";
import { $Answer } from "./raystream_answer.ts";
import { $forged } from "./raystream_errors.ts";
import type { $Opener } from "./raystream_opener.ts";
import { raystreamPins } from "./raystream_pins.ts";
import { $Tunnel } from "./raystream_tunnel.ts";
import { $overNetwork, type $Init } from "./sending.ts";

const $WITHOUT_BODY = [204, 205, 304];

const $tunnels = new WeakMap<object, $Tunnel>();

/** Sends a request through the channel, or as it is where the client says so. */
export async function $carry(client: $Client, url: URL, init: $Init): Promise<Response> {
  const { raystream } = client;
  if (raystream === false) return $overNetwork(client.fetch(url.href, init));
  return $carrySealed($findTunnel(client, raystream === true ? raystreamPins : raystream), url, init);
}

function $findTunnel(client: $Client, options: RaystreamOptions): $Tunnel {
  const tunnel = $tunnels.get(client.self) ?? new $Tunnel(client, options);
  $tunnels.set(client.self, tunnel);
  return tunnel;
}

async function $carrySealed(tunnel: $Tunnel, url: URL, init: $Init): Promise<Response> {
  const { method, signal } = init;
  const packed = new Response(init.body ?? null); // knows how a form is written
  const body = new Uint8Array(await packed.arrayBuffer());
  const headers = new Headers(init.headers);
  const type = packed.headers.get("Content-Type");
  if (type !== null && !headers.has("Content-Type")) headers.set("Content-Type", type);
  const path = url.pathname + url.search;
  const sealed = await tunnel.seal({ method, path, headers: $list(headers) }, body, signal);
  const end = (): void => tunnel.end(sealed);
  try {
    const outer = await tunnel.post(sealed.frame, signal);
    const opener = outer.status === 200 ? sealed.open(outer.headers.get("Content-Type")) : undefined;
    if (opener === undefined) throw await tunnel.explain(outer, sealed);
    return await $openAnswer(outer, opener, signal, end);
  } catch (error) {
    end();
    throw error;
  }
}

function $list(headers: Headers): [string, string][] {
  const listed: [string, string][] = [];
  headers.forEach((value, name) => listed.push([name, value]));
  return listed;
}

/** Returns the answer inside as soon as its head has come; its body is opened as it is read. */
async function $openAnswer(
  outer: Response,
  opener: $Opener,
  signal: AbortSignal,
  end: () => void,
): Promise<Response> {
  if (outer.body === null) throw $forged();
  const answer = new $Answer(outer.body, opener, signal, end);
  const { status, headers } = await answer.begin();
  if (!$WITHOUT_BODY.includes(status)) return new Response(new ReadableStream(answer) as never, { status, headers });
  await answer.finish();
  return new Response(null, { status, headers });
}
