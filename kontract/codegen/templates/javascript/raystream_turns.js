// Turns: what has to be done by one call at a time.
export class $Turns {
    #last = Promise.resolve();
    /** Runs when all before have run; who is aborted while it waits, runs never. */
    async take(signal, run) {
        const before = this.#last;
        let release = () => { };
        const mine = new Promise((resolve) => (release = resolve));
        this.#last = before.then(() => mine);
        try {
            await $unlessAborted(before, signal);
            return await run();
        }
        finally {
            release();
        }
    }
}
function $unlessAborted(promise, signal) {
    return new Promise((resolve, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted)
            stop();
        signal.addEventListener("abort", stop);
        void promise.then(resolve).finally(() => signal.removeEventListener("abort", stop));
    });
}
