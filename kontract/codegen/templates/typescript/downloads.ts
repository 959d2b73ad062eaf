// Procedures that answer with a file.

import { $prepare, type $AnyOptions, type $Procedure, type ReadOptions } from "./calls.ts";
import { $overNetwork, $send, $unexpected, type CallOptions } from "./sending.ts";
import { $Watch } from "./watch.ts";

/** Options of a call that sends files, or answers with one. */
export interface FileOptions extends CallOptions {
  /** Answers as the data were, where the procedure only reads. */
  asOf?: ReadOptions["asOf"];
  /** Makes calls with the same key one call, where the procedure may write. */
  idempotencyKey?: string | undefined;
}

/** A file whose content comes when it is asked for, and once. The call's `timeout` is over; its `signal` is not. */
export class KontractDownload {
  readonly contentType: string;
  readonly filename: string | undefined;
  /** Bytes, where the server tells. */
  readonly size: number | undefined;
  readonly #response: Response;
  readonly #watch: $Watch;

  constructor(response: Response, watch: $Watch) {
    const size = response.headers.get("Content-Length");
    this.contentType = response.headers.get("Content-Type") ?? "application/octet-stream";
    this.filename = $readFilename(response.headers.get("Content-Disposition") ?? "");
    this.size = size === null ? undefined : Number(size);
    this.#response = response;
    this.#watch = watch;
  }

  get stream(): ReadableStream<Uint8Array> {
    if (this.#response.body === null) throw $unexpected(this.#response);
    return this.#response.body;
  }

  async blob(): Promise<Blob> {
    return this.#read(this.#response.blob());
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.#read(this.#response.arrayBuffer()));
  }

  async text(): Promise<string> {
    return this.#read(this.#response.text());
  }

  /** Ends the transfer. */
  cancel(): void {
    this.#watch.cancel();
    this.#watch.stop();
  }

  async #read<T>(content: Promise<T>): Promise<T> {
    try {
      return await $overNetwork(content);
    } catch (error) {
      throw this.#watch.explain(error);
    } finally {
      this.#watch.stop();
    }
  }
}

/** @internal */
export async function __kontract_download(
  procedure: $Procedure,
  args: object = {},
  options: $AnyOptions = {},
): Promise<KontractDownload> {
  if (options.batch !== undefined) throw new TypeError(`${procedure.name} gives a file, which a batch cannot carry.`);
  const outgoing = $prepare(procedure, args, options, "*/*");
  const watch = new $Watch(options.signal, options.timeout ?? outgoing.client.timeout);
  try {
    return await $send(outgoing, watch, async (response) => new KontractDownload(response, watch));
  } finally {
    watch.disarm();
  }
}

/** Reads a Content-Disposition (RFC 6266), without the directories that a filename must not have. */
function $readFilename(disposition: string): string | undefined {
  const extended = /filename\*=utf-8''([^;\s]+)/i.exec(disposition)?.[1];
  const quoted = /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1]?.replace(/\\(.)/g, "$1");
  const name = extended === undefined ? quoted : decodeURIComponent(extended);
  return name?.split(/[/\\]/).pop();
}
