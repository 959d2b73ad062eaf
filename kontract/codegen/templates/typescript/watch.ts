// When a call has to end.

import {
  KontractAbortError,
  KontractError,
  KontractNetworkError,
  KontractProtocolError,
  KontractTimeoutError,
} from "./errors.ts";
import { $Mismatch } from "./values.ts";

const $LONGEST_TIMER = 2 ** 31 - 1; // setTimeout() takes a longer time for none

/** Ends a call at the caller's signal or at its deadline, and knows which of them it was. */
export class $Watch {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timeout: number;
  readonly #end: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;

  constructor(caller: AbortSignal | undefined, timeout: number) {
    this.#caller = caller;
    this.#timeout = timeout;
    const isTimed = timeout > 0 && timeout <= $LONGEST_TIMER;
    this.#end = isTimed ? Date.now() + timeout : Infinity;
    this.#timer = isTimed ? setTimeout(this.#beLate, timeout) : undefined;
    if (caller?.aborted) this.cancel();
    caller?.addEventListener("abort", this.cancel);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Returns the milliseconds until the deadline. */
  left(): number {
    return this.#end - Date.now();
  }

  readonly cancel = (): void => {
    this.#controller.abort(this.#caller?.reason);
  };

  readonly #beLate = (): void => {
    this.#isLate = true;
    this.#controller.abort();
  };

  /** Lifts the deadline; the caller's signal stays. */
  disarm(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.disarm();
    this.#caller?.removeEventListener("abort", this.cancel);
  }

  /** Waits so long, or until the call ends. */
  async sleep(milliseconds: number): Promise<void> {
    const { signal } = this;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      signal.addEventListener("abort", wake);
    });
  }

  /** Returns the error that the caller gets. */
  explain(error: unknown): unknown {
    if (error instanceof $Mismatch || error instanceof SyntaxError) {
      return new KontractProtocolError(`The answer cannot be read: ${error.message}.`, "unreadable_answer", {
        cause: error,
      });
    }
    if (!this.signal.aborted || (error instanceof KontractError && !(error instanceof KontractNetworkError)))
      return error;
    if (this.#isLate) return new KontractTimeoutError(`The call took longer than ${this.#timeout} ms.`, "timeout");
    return new KontractAbortError("The call was cancelled.", "cancelled", { cause: this.#caller?.reason });
  }
}
