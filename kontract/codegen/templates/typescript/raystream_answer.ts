// The body of an answer, as a stream that is opened as it is read.

import type { $ResponseHead } from "./raystream_envelope.ts";
import type { $Opener } from "./raystream_opener.ts";
import { $overNetwork } from "./sending.ts";

/** What a ReadableStream is made of. It calls `end` when nothing of the answer is awaited any more. */
export class $Answer {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #opener: $Opener;
  readonly #signal: AbortSignal;
  readonly #end: () => void;
  #parts: Uint8Array[] = [];

  constructor(body: ReadableStream<Uint8Array>, opener: $Opener, signal: AbortSignal, end: () => void) {
    this.#reader = body.getReader();
    this.#opener = opener;
    this.#signal = signal;
    this.#end = end;
  }

  /** Returns the head, as soon as it has come. */
  async begin(): Promise<$ResponseHead> {
    for (;;) {
      await this.#read();
      if (this.#opener.head !== undefined) return this.#opener.head;
    }
  }

  /** Reads to the end, for what has no body. */
  async finish(): Promise<void> {
    while (await this.#read());
    this.#end();
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      while (this.#parts.length === 0) {
        if (await this.#read()) continue;
        this.#end();
        controller.close();
        return;
      }
      for (const part of this.#parts.splice(0)) controller.enqueue(part);
    } catch (error) {
      await this.cancel();
      throw error;
    }
  }

  async cancel(): Promise<void> {
    this.#end();
    await this.#reader.cancel().catch(() => {}); // the connection may have failed, which is told already
  }

  /** Takes the next bytes; returns false at the end, and fails where that is none. */
  async #read(): Promise<boolean> {
    const { done, value } = await $overNetwork(this.#reader.read());
    this.#signal.throwIfAborted(); // then what has come before does not count, either
    if (done) this.#opener.close();
    else this.#parts.push(...(await this.#opener.feed(value)));
    return !done;
  }
}
