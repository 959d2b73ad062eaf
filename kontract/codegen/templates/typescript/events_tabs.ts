// The tabs of one browser that are signed in alike share a stream: one of them holds it and tells the others.
//
// The tab that has the lock leads. When it is gone another one has the lock, asks all what they want and from where, and
// goes on from the earliest position; each tab leaves out what it knows. Only a stream that was opened for all that a
// tab wants moves it on, so that nothing is lost in between.

import { $findFirst, $readCursor } from "./events_cursor.ts";
import { $makeProblem, KontractError, type KontractProblemDocument } from "./errors.ts";
import type { $Ask, $Party, $Source, $Wants } from "./events_source.ts";
import type { $Event } from "./events_wire.ts";
import { $randomText } from "./json.ts";

type $Message =
  | { readonly kind: "lead"; readonly tab: string }
  | { readonly kind: "want"; readonly tab: string; readonly wants: $Wants }
  | { readonly kind: "open"; readonly tab: string; readonly event: $Event; readonly covers: $Covers }
  | { readonly kind: "hear"; readonly tab: string; readonly event: $Event }
  | { readonly kind: "lost"; readonly tab: string; readonly error: $Failure }
  | { readonly kind: "fail"; readonly tab: string; readonly key: string; readonly error: $Failure };

/** The tabs that a stream is for, and what they wanted then. */
type $Covers = readonly (readonly [tab: string, version: number])[];

interface $Failure {
  readonly problem: KontractProblemDocument | undefined;
  readonly code: string;
  readonly detail: string;
  readonly status: number;
}

interface $Radio {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: $Message): void;
  close(): void;
}

interface $LockManager {
  request(name: string, options: { signal?: AbortSignal }, run: () => Promise<void>): Promise<void>;
}

interface $Machine {
  readonly location?: unknown;
  readonly navigator?: { readonly locks?: $LockManager };
  readonly BroadcastChannel?: new (name: string) => $Radio;
}

/** Whether there are tabs, and means for them to share something. */
export function $canShare(): boolean {
  const { location, navigator, BroadcastChannel } = globalThis as unknown as $Machine;
  return location !== undefined && navigator?.locks !== undefined && BroadcastChannel !== undefined;
}

/** What a tab's subscriptions are to the tabs that share a stream. */
export interface $Member extends $Party {
  exclude(): void;
}

/** This tab among those that share a name. */
export class $Circle implements $Party {
  readonly #name: string;
  readonly #member: $Member;
  readonly #makeSource: (party: $Party) => $Source;
  readonly #tab = $randomText();
  readonly #radio: $Radio;
  readonly #locks: $LockManager;
  readonly #ended = new AbortController();
  readonly #others = new Map<string, $Wants>();
  #covers: $Covers = [];
  #leader: string | undefined;
  #source: $Source | undefined;
  #isKnown = false;

  constructor(name: string, member: $Member, makeSource: (party: $Party) => $Source) {
    const { navigator, BroadcastChannel } = globalThis as unknown as Required<$Machine>;
    this.#name = name;
    this.#member = member;
    this.#makeSource = makeSource;
    this.#radio = new BroadcastChannel(name);
    this.#radio.onmessage = ({ data }) => this.#receive(data as $Message);
    this.#locks = navigator.locks as $LockManager;
    this.#hold(`${name} ${this.#tab}`, () => this.#ask()); // others learn by this lock when the tab is gone
    this.#hold(name, () => this.#lead());
  }

  /** Asks for what is wanted now. */
  restart(): void {
    if (this.#source !== undefined) this.#source.restart();
    else if (this.#isKnown) this.#send({ kind: "want", tab: this.#tab, wants: this.#member.wants() });
  }

  close(): void {
    this.#source?.close();
    this.#source = undefined;
    this.#ended.abort();
    this.#radio.close();
  }

  /** Runs something when the lock is had, and keeps that until the end. */
  #hold(name: string, run: () => void): void {
    const { signal } = this.#ended;
    const keep = (): Promise<void> => {
      run();
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    this.#locks.request(name, { signal }, keep).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  #ask(): void {
    this.#isKnown = true;
    this.restart();
  }

  #lead(): void {
    this.#leader = this.#tab;
    this.#member.exclude();
    this.#send({ kind: "lead", tab: this.#tab });
    this.#source = this.#makeSource(this);
  }

  #send(message: $Message): void {
    if (!this.#ended.signal.aborted) this.#radio.postMessage(message);
  }

  #receive(message: $Message): void {
    if (this.#ended.signal.aborted) return;
    if (message.kind === "lead") {
      this.#leader = message.tab;
      this.#member.exclude();
      this.restart();
    } else if (message.kind === "want") this.#take(message.tab, message.wants);
    else if (this.#source !== undefined) return; // from who led before
    else if (message.kind === "open") this.#follow(message.tab, message.event, message.covers);
    else if (message.tab !== this.#leader) return;
    else if (message.kind === "hear") this.#member.hear(message.event);
    else if (message.kind === "lost") this.#member.lost($restore(message.error));
    else this.#member.fail(message.key, $restore(message.error));
  }

  /** Begins to take what the leader tells, if its stream has what is wanted here. */
  #follow(leader: string, event: $Event, covers: $Covers): void {
    this.#leader = leader;
    const own = covers.find(([tab]) => tab === this.#tab);
    if (own === undefined) this.#member.exclude();
    else this.#member.open(event, own[1]);
  }

  #take(tab: string, wants: $Wants): void {
    if (this.#source === undefined) return;
    if (!this.#others.has(tab)) this.#watch(tab);
    this.#others.set(tab, wants);
    this.#source.restart();
  }

  /** Forgets a tab when it is gone. */
  #watch(tab: string): void {
    const { signal } = this.#ended;
    const forget = async (): Promise<void> => {
      this.#others.delete(tab);
      this.#source?.restart();
    };
    this.#locks.request(`${this.#name} ${tab}`, { signal }, forget).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  // What the stream that this tab holds is for, and tells.

  wants(): $Wants {
    const own = this.#member.wants();
    const members = [[this.#tab, own] as const, ...this.#others];
    this.#covers = members.map(([tab, { version }]) => [tab, version]);
    const all = members.map(([, wants]) => wants);
    const after = $findFirst(all.map((one) => (one.after === undefined ? undefined : $readCursor(one.after))));
    const topics: Record<string, $Ask> = {};
    for (const one of all)
      for (const [key, ask] of Object.entries(one.topics)) topics[key] = $merge(topics[key], ask);
    return { version: own.version, after: after?.text, topics };
  }

  open(event: $Event, version: number): void {
    this.#send({ kind: "open", tab: this.#tab, event, covers: this.#covers });
    this.#member.open(event, version);
  }

  hear(event: $Event): void {
    this.#send({ kind: "hear", tab: this.#tab, event });
    this.#member.hear(event);
  }

  lost(error: unknown): void {
    this.#send({ kind: "lost", tab: this.#tab, error: $describeFailure(error) });
    this.#member.lost(error);
  }

  fail(key: string, error: unknown): void {
    for (const [tab, { topics, ...others }] of this.#others) {
      const { [key]: _, ...left } = topics;
      this.#others.set(tab, { ...others, topics: left });
    }
    this.#send({ kind: "fail", tab: this.#tab, key, error: $describeFailure(error) });
    this.#member.fail(key, error);
  }
}

/** Returns what several tabs ask for: with a result that is known only if all know it. */
function $merge(one: $Ask | undefined, other: $Ask): $Ask {
  if (one === undefined || one.known === other.known) return other;
  const { known: _, ...ask } = other;
  return ask;
}

function $describeFailure(error: unknown): $Failure {
  if (!(error instanceof KontractError)) return { problem: undefined, code: "", detail: String(error), status: 0 };
  const { problem, code, detail, status } = error;
  return { problem, code, detail, status };
}

function $restore({ problem, code, detail, status }: $Failure): KontractError {
  return problem === undefined ? new KontractError(detail, code, { status }) : $makeProblem(problem);
}
