// What one client has subscribed to: each subscription once, however many listen to it.

import { $findFirst, $isBefore, $readCursor, type $Cursor } from "./events_cursor.ts";
import { $applyPatch, type $Operation } from "./events_patch.ts";
import type { $Ask } from "./events_source.ts";
import type { $Procedure } from "./calls.ts";
import { $makeProblem, KontractProtocolError, type KontractProblemDocument } from "./errors.ts";
import type { $Parsed } from "./json.ts";
import { $decode } from "./values.ts";

/** A change of a document, as the subscriber may see it. */
export interface KontractEvent<T = { readonly [field: string]: unknown }> {
  /** What came into view is an insert; what left it is a delete. */
  readonly type: "insert" | "update" | "delete";
  readonly table: string;
  readonly id: string;
  /** The document after the change; undefined for a delete. */
  readonly data: T | undefined;
  /** The document before an update, where it was asked for. */
  readonly old: T | undefined;
  readonly owner: string | undefined;
  readonly txid: number;
  /** Which of its transaction's changes. */
  readonly ordinal: number;
  readonly at: Date;
  /** Of the transaction: the procedure, for example. */
  readonly label: string | null;
  /** The position after this change, to go on from later. */
  readonly cursor: string;
}

/** Who listens to a table. */
export interface $TableListener {
  cursor: $Cursor | undefined;
  /** Whether the present stream covers all that it has not been told yet. */
  isJoined: boolean;
  /** What is wanted has it since this version. */
  readonly version: number;
  opened(cursor: string): void;
  lost(error: unknown): void;
  change(event: KontractEvent): void;
  reset(txid: number): void;
  fail(error: unknown): void;
}

/** Runs what belongs to the caller: its failures are its own, as those of an event listener are. */
export function $tell<A extends unknown[]>(callback: ((...args: A) => void) | undefined, ...args: A): void {
  try {
    callback?.(...args);
  } catch (error) {
    setTimeout(() => {
      throw error;
    }, 0);
  }
}

interface $ToldChange extends Pick<KontractEvent, "type" | "table" | "id"> {
  readonly data?: KontractEvent["data"];
  readonly old?: KontractEvent["data"];
  readonly owner?: string;
}

interface $Told {
  readonly txid: number;
  readonly ordinal: number;
  readonly at: string;
  readonly label: string | null;
  readonly to: { readonly [key: string]: $ToldChange };
}

/** A table that is listened to. */
export class $TableTopic {
  readonly listeners = new Set<$TableListener>();
  readonly #ask: $Ask;

  constructor(ask: $Ask) {
    this.#ask = ask;
  }

  ask(): $Ask {
    return this.#ask;
  }

  first(): $Cursor | undefined {
    return $findFirst([...this.listeners].map(({ cursor }) => cursor));
  }

  open(head: $Cursor, covers: number): void {
    for (const listener of this.listeners) {
      listener.isJoined = listener.version <= covers;
      if (!listener.isJoined) continue;
      listener.cursor ??= head;
      $tell((text) => listener.opened(text), listener.cursor.text);
    }
  }

  lost(error: unknown): void {
    for (const listener of [...this.listeners]) $tell((one) => listener.lost(one), error);
  }

  /** Moves all on, and then tells of a change, if there is one: what has been told is never told again. */
  move(cursor: $Cursor, key: string, parsed: unknown): void {
    const told = parsed as $Told | undefined;
    const change = told !== undefined && Object.hasOwn(told.to, key) ? told.to[key] : undefined;
    for (const listener of [...this.listeners]) {
      if (!listener.isJoined || listener.cursor === undefined || !$isBefore(listener.cursor, cursor)) continue;
      listener.cursor = cursor;
      if (change === undefined || told === undefined) continue;
      const { txid, ordinal, label, at } = told;
      const event = { data: undefined, old: undefined, owner: undefined, ...change, txid, ordinal, label };
      $tell((one) => listener.change(one), { ...event, at: new Date(at), cursor: cursor.text });
    }
  }

  /** Everything has to be read anew, and goes on from here. */
  reset(cursor: $Cursor): void {
    for (const listener of [...this.listeners]) {
      if (!listener.isJoined) continue;
      listener.cursor = cursor;
      $tell((txid) => listener.reset(txid), cursor.txid);
    }
  }

  fail(error: unknown): void {
    for (const listener of [...this.listeners]) $tell((one) => listener.fail(one), error);
  }
}

/** Who listens to a live query. */
export interface $LiveListener {
  opened(cursor: string): void;
  lost(error: unknown): void;
  result(value: unknown): void;
  problem(error: unknown): void;
  fail(error: unknown): void;
}

interface $LiveTold {
  readonly digest?: string;
  readonly result?: unknown;
  readonly patch?: readonly $Operation[];
  readonly same?: true;
  readonly problem?: KontractProblemDocument;
}

/** A live query that is listened to, and its last result. */
export class $LiveTopic {
  readonly listeners = new Set<$LiveListener>();
  readonly #ask: $Ask;
  readonly #procedure: $Procedure;
  #raw: unknown;
  #isWide = false;
  #digest: string | undefined;
  #value: unknown;
  #problem: unknown;
  /** Whether a patch of this stream can be applied to what there is. */
  #isBase = false;
  /** What is wanted has it since this version. */
  readonly #version: number;
  /** Where the present stream went on from; undefined where there is none for this. */
  #head: $Cursor | undefined;

  constructor(ask: $Ask, procedure: $Procedure, version: number) {
    this.#ask = ask;
    this.#procedure = procedure;
    this.#version = version;
  }

  ask(): $Ask {
    return this.#digest === undefined ? this.#ask : { ...this.#ask, known: this.#digest };
  }

  /** Tells somebody new what the others know. */
  join(listener: $LiveListener): void {
    this.listeners.add(listener);
    if (this.#head !== undefined) $tell((text) => listener.opened(text), this.#head.text);
    if (this.#problem !== undefined) $tell((error) => listener.problem(error), this.#problem);
    else if (this.#digest !== undefined) $tell((value) => listener.result(value), this.#value);
  }

  open(head: $Cursor, covers: number): void {
    this.exclude();
    if (this.#version > covers) return;
    this.#head = head;
    for (const listener of [...this.listeners]) $tell((text) => listener.opened(text), head.text);
  }

  /** There is another stream, and it is not for this. */
  exclude(): void {
    this.#isBase = false;
    this.#head = undefined;
  }

  lost(error: unknown): void {
    this.#head = undefined;
    for (const listener of [...this.listeners]) $tell((one) => listener.lost(one), error);
  }

  /** Forgets the result, which was for somebody else. */
  forget(): void {
    this.#digest = undefined;
    this.#isBase = false;
  }

  hear({ value, isWide }: $Parsed): void {
    const told = value as $LiveTold;
    try {
      this.#take(told, isWide);
    } catch (error) {
      this.forget();
      const message = `The result of ${this.#procedure.name} cannot be read: ${String(error)}.`;
      this.#fail(new KontractProtocolError(message, "unreadable_answer", { cause: error }));
    }
  }

  #take(told: $LiveTold, isWide: boolean): void {
    if (told.problem !== undefined) return this.#fail($makeProblem(told.problem, this.#procedure.errors));
    const isSame = told.digest === this.#digest;
    if (told.patch !== undefined) {
      if (!this.#isBase) return; // the whole result is asked for already
      this.#raw = $applyPatch(this.#raw, told.patch);
    } else if (told.same) {
      if (!isSame) return;
    } else this.#raw = told.result;
    this.#isWide = told.patch === undefined && !told.same ? isWide : this.#isWide || isWide;
    this.#isBase = true;
    if (isSame && this.#problem === undefined) return;
    if (!isSame) this.#value = $decode(this.#procedure.result, this.#raw, this.#isWide);
    this.#digest = told.digest;
    this.#problem = undefined;
    for (const listener of [...this.listeners]) $tell((value) => listener.result(value), this.#value);
  }

  #fail(problem: unknown): void {
    this.#problem = problem;
    for (const listener of [...this.listeners]) $tell((error) => listener.problem(error), problem);
  }

  fail(error: unknown): void {
    for (const listener of [...this.listeners]) $tell((one) => listener.fail(one), error);
  }
}

/** Returns the position that an event ends at; undefined: it tells of none. */
export function $findPosition(id: string | undefined): $Cursor | undefined {
  return id === undefined || id === "" ? undefined : $readCursor(id);
}
