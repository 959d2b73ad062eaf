// Turns: what has to be done by one call at a time.

export class $Turns {
  #last: Promise<void> = Promise.resolve();

  /** Runs when all before have run; who is aborted while it waits, runs never. */
  async take<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let release = (): void => {};
    const mine = new Promise<void>((resolve) => (release = resolve));
    this.#last = before.then(() => mine);
    try {
      await $unlessAborted(before, signal);
      return await run();
    } finally {
      release();
    }
  }
}

function $unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    void promise.then(resolve).finally(() => signal.removeEventListener("abort", stop));
  });
}
