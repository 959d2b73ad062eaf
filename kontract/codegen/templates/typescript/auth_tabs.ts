// The tabs of one browser that share a session: one of them gets new tokens, and tells the others.

/** What a tab tells the others: new tokens, or that a session has ended. */
export interface $News<P> {
  readonly sid: string;
  readonly signed?: { readonly token: string; readonly expiresAt: number; readonly principal: P } | undefined;
  readonly refreshToken?: string | undefined;
}

interface $Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

interface $Locks {
  request<T>(name: string, options: { ifAvailable?: boolean }, run: (lock: unknown) => Promise<T>): Promise<T>;
}

interface $Browser {
  readonly location?: unknown;
  readonly navigator?: { readonly locks?: $Locks };
  readonly BroadcastChannel?: new (name: string) => $Channel;
}

const $LONGEST_HEARING = 500; // milliseconds

/** This tab among those that share `name`; alone where that is undefined, and outside of pages and their workers. */
export class $Tabs<P> {
  readonly #name: string;
  readonly #channel: $Channel | undefined;
  readonly #locks: $Locks | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #heard: () => void = () => {};

  constructor(name: string | undefined, hear: (news: $News<P>) => void) {
    const { location, navigator, BroadcastChannel } = globalThis as unknown as $Browser;
    this.#name = name ?? "";
    if (name === undefined || location === undefined) return;
    this.#locks = navigator?.locks;
    if (BroadcastChannel === undefined) return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      hear(data as $News<P>);
      this.#heard();
    };
  }

  tell(news: $News<P>): void {
    this.#channel?.postMessage(news);
  }

  close(): void {
    this.#channel?.close();
  }

  /** Runs a task while no other runs here or in another tab. Whoever had to wait has heard what came of theirs. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => (this.#locks === undefined ? task() : this.#lock(this.#locks, task)));
    this.#last = done.catch(() => {}); // whoever asked for it is told
    return done;
  }

  async #lock<T>(locks: $Locks, task: () => Promise<T>): Promise<T> {
    const news = this.#listen();
    const run = async (lock: unknown): Promise<{ readonly result: T } | undefined> =>
      lock === null ? undefined : { result: await task() };
    const done = await locks.request(this.#name, { ifAvailable: true }, run);
    if (done !== undefined) return done.result;
    return locks.request(this.#name, {}, async () => {
      await news(); // a lock may be free before the message of the tab that had it arrives
      return task();
    });
  }

  /** Listens from now on; returns what waits for the first news, for a while. */
  #listen(): () => Promise<void> {
    const heard = new Promise<void>((resolve) => (this.#heard = resolve));
    return () => {
      const timer = setTimeout(this.#heard, $LONGEST_HEARING);
      return heard.finally(() => clearTimeout(timer));
    };
  }
}
