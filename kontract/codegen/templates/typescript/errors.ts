// What a call can fail with.

import { $decode, type $Codec } from "./values.ts";

/** A problem document (RFC 9457). `code` is stable and safe to match on. */
export interface KontractProblemDocument {
  readonly type?: string;
  readonly title?: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly [member: string]: unknown;
}

interface $More {
  status?: number;
  problem?: KontractProblemDocument;
  retryAfter?: number | undefined;
  cause?: unknown;
}

/** Base of everything that a call rejects with, but mistakes in the calling code. `status` is 0 without an answer. */
export class KontractError extends Error {
  override readonly name: string = "KontractError";
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly problem: KontractProblemDocument | undefined;
  /** Seconds after which the server says that it can be tried again. */
  readonly retryAfter: number | undefined;

  constructor(detail: string, code: string, more: $More = {}) {
    super(detail || code, "cause" in more ? { cause: more.cause } : undefined);
    this.code = code;
    this.status = more.status ?? 0;
    this.detail = detail;
    this.problem = more.problem;
    this.retryAfter = more.retryAfter;
  }
}

/** The server refused the call. A procedure's declared errors are subclasses, whose `problem` has typed members. */
export class KontractProblem<M extends object = object> extends KontractError {
  static readonly codec: $Codec | undefined = "any";
  override readonly name: string = "KontractProblem";
  declare readonly problem: KontractProblemDocument & M;

  constructor(problem: KontractProblemDocument & M, retryAfter?: number) {
    super(problem.detail ?? problem.title ?? "", problem.code, { status: problem.status, problem, retryAfter });
  }
}

/** No answer came: the connection could not be made, or broke. */
export class KontractNetworkError extends KontractError {
  override readonly name: string = "KontractNetworkError";
}

/** The call took longer than its `timeout`. */
export class KontractTimeoutError extends KontractError {
  override readonly name = "KontractTimeoutError";
}

/** The caller's signal ended the call; `cause` is the signal's reason. */
export class KontractAbortError extends KontractError {
  override readonly name = "AbortError"; // as fetch() has it, which is what libraries look for
}

/** What came is no answer of this API: a proxy's page, a stream that was cut off, a value that its type forbids. */
export class KontractProtocolError extends KontractError {
  override readonly name = "KontractProtocolError";
}

/** The classes of declared errors, by code. */
export type $Declared = {
  readonly [code: string]: {
    readonly codec: $Codec | undefined;
    new (problem: never, retryAfter?: number): KontractProblem;
  };
};

/** Makes a problem document the error that is declared for its code. */
export function $makeProblem(
  problem: KontractProblemDocument,
  declared: $Declared = {},
  retryAfter?: number,
): KontractProblem {
  const type = Object.hasOwn(declared, problem.code) ? declared[problem.code] : undefined;
  const seconds = retryAfter ?? (typeof problem["retry_after"] === "number" ? problem["retry_after"] : undefined);
  if (type === undefined) return new KontractProblem(problem, seconds);
  return new type($decode(type.codec, problem, false) as never, seconds);
}
