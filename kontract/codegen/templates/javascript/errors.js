// What a call can fail with.
import { $decode } from "./values.js";
/** Base of everything that a call rejects with, but mistakes in the calling code. `status` is 0 without an answer. */
export class KontractError extends Error {
    name = "KontractError";
    code;
    status;
    detail;
    problem;
    /** Seconds after which the server says that it can be tried again. */
    retryAfter;
    constructor(detail, code, more = {}) {
        super(detail || code, "cause" in more ? { cause: more.cause } : undefined);
        this.code = code;
        this.status = more.status ?? 0;
        this.detail = detail;
        this.problem = more.problem;
        this.retryAfter = more.retryAfter;
    }
}
/** The server refused the call. A procedure's declared errors are subclasses, whose `problem` has typed members. */
export class KontractProblem extends KontractError {
    static codec = "any";
    name = "KontractProblem";
    constructor(problem, retryAfter) {
        super(problem.detail ?? problem.title ?? "", problem.code, { status: problem.status, problem, retryAfter });
    }
}
/** No answer came: the connection could not be made, or broke. */
export class KontractNetworkError extends KontractError {
    name = "KontractNetworkError";
}
/** The call took longer than its `timeout`. */
export class KontractTimeoutError extends KontractError {
    name = "KontractTimeoutError";
}
/** The caller's signal ended the call; `cause` is the signal's reason. */
export class KontractAbortError extends KontractError {
    name = "AbortError"; // as fetch() has it, which is what libraries look for
}
/** What came is no answer of this API: a proxy's page, a stream that was cut off, a value that its type forbids. */
export class KontractProtocolError extends KontractError {
    name = "KontractProtocolError";
}
/** Makes a problem document the error that is declared for its code. */
export function $makeProblem(problem, declared = {}, retryAfter) {
    const type = Object.hasOwn(declared, problem.code) ? declared[problem.code] : undefined;
    const seconds = retryAfter ?? (typeof problem["retry_after"] === "number" ? problem["retry_after"] : undefined);
    if (type === undefined)
        return new KontractProblem(problem, seconds);
    return new type($decode(type.codec, problem, false), seconds);
}
