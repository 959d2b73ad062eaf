// When a call has to end.
import { KontractAbortError, KontractError, KontractNetworkError, KontractProtocolError, KontractTimeoutError, } from "./errors.js";
import { $Mismatch } from "./values.js";
const $LONGEST_TIMER = 2 ** 31 - 1; // setTimeout() takes a longer time for none
/** Ends a call at the caller's signal or at its deadline, and knows which of them it was. */
export class $Watch {
    #controller = new AbortController();
    #caller;
    #timeout;
    #end;
    #timer;
    #isLate = false;
    constructor(caller, timeout) {
        this.#caller = caller;
        this.#timeout = timeout;
        const isTimed = timeout > 0 && timeout <= $LONGEST_TIMER;
        this.#end = isTimed ? Date.now() + timeout : Infinity;
        this.#timer = isTimed ? setTimeout(this.#beLate, timeout) : undefined;
        if (caller?.aborted)
            this.cancel();
        caller?.addEventListener("abort", this.cancel);
    }
    get signal() {
        return this.#controller.signal;
    }
    /** Returns the milliseconds until the deadline. */
    left() {
        return this.#end - Date.now();
    }
    cancel = () => {
        this.#controller.abort(this.#caller?.reason);
    };
    #beLate = () => {
        this.#isLate = true;
        this.#controller.abort();
    };
    /** Lifts the deadline; the caller's signal stays. */
    disarm() {
        clearTimeout(this.#timer);
    }
    stop() {
        this.disarm();
        this.#caller?.removeEventListener("abort", this.cancel);
    }
    /** Waits so long, or until the call ends. */
    async sleep(milliseconds) {
        const { signal } = this;
        if (signal.aborted)
            return;
        await new Promise((resolve) => {
            const wake = () => {
                clearTimeout(timer);
                signal.removeEventListener("abort", wake);
                resolve();
            };
            const timer = setTimeout(wake, milliseconds);
            signal.addEventListener("abort", wake);
        });
    }
    /** Returns the error that the caller gets. */
    explain(error) {
        if (error instanceof $Mismatch || error instanceof SyntaxError) {
            return new KontractProtocolError(`The answer cannot be read: ${error.message}.`, "unreadable_answer", {
                cause: error,
            });
        }
        if (!this.signal.aborted || (error instanceof KontractError && !(error instanceof KontractNetworkError)))
            return error;
        if (this.#isLate)
            return new KontractTimeoutError(`The call took longer than ${this.#timeout} ms.`, "timeout");
        return new KontractAbortError("The call was cancelled.", "cancelled", { cause: this.#caller?.reason });
    }
}
