// The tabs of one browser that share a session: one of them gets new tokens, and tells the others.
const $LONGEST_HEARING = 500; // milliseconds
/** This tab among those that share `name`; alone where that is undefined, and outside of pages and their workers. */
export class $Tabs {
    #name;
    #channel;
    #locks;
    #last = Promise.resolve();
    #heard = () => { };
    constructor(name, hear) {
        const { location, navigator, BroadcastChannel } = globalThis;
        this.#name = name ?? "";
        if (name === undefined || location === undefined)
            return;
        this.#locks = navigator?.locks;
        if (BroadcastChannel === undefined)
            return;
        this.#channel = new BroadcastChannel(name);
        this.#channel.onmessage = ({ data }) => {
            hear(data);
            this.#heard();
        };
    }
    tell(news) {
        this.#channel?.postMessage(news);
    }
    close() {
        this.#channel?.close();
    }
    /** Runs a task while no other runs here or in another tab. Whoever had to wait has heard what came of theirs. */
    alone(task) {
        const done = this.#last.then(() => (this.#locks === undefined ? task() : this.#lock(this.#locks, task)));
        this.#last = done.catch(() => { }); // whoever asked for it is told
        return done;
    }
    async #lock(locks, task) {
        const news = this.#listen();
        const run = async (lock) => lock === null ? undefined : { result: await task() };
        const done = await locks.request(this.#name, { ifAvailable: true }, run);
        if (done !== undefined)
            return done.result;
        return locks.request(this.#name, {}, async () => {
            await news(); // a lock may be free before the message of the tab that had it arrives
            return task();
        });
    }
    /** Listens from now on; returns what waits for the first news, for a while. */
    #listen() {
        const heard = new Promise((resolve) => (this.#heard = resolve));
        return () => {
            const timer = setTimeout(this.#heard, $LONGEST_HEARING);
            return heard.finally(() => clearTimeout(timer));
        };
    }
}
