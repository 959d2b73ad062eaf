// What a request, or the first chunk of a response, says: u32 length of the head, the head as JSON, body, padding.

import { $encodeText, $join, $readU32, $toBytes } from "./raystream_bytes.ts";
import { KontractChannelError } from "./raystream_errors.ts";

type $Header = readonly [name: string, value: string];

/** A request as it is inside: `path` has the query, too, and each header a name in lower case. */
export interface $RequestHead {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly $Header[];
}

export interface $ResponseHead {
  readonly status: number;
  readonly headers: [string, string][];
}

const $HEAD_BYTES = 32 * 1024;
const $HEADERS = 100;
const $ALLOWED = new Set([
  ...["accept", "accept-language", "authorization", "content-type", "idempotency-key", "if-match"],
  ...["if-modified-since", "if-none-match", "if-unmodified-since", "kontract-as-of", "kontract-dry-run"],
  ...["last-event-id", "prefer", "range", "user-agent"],
]);
const $METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const $PATH = /^\/[!-"$-~]*$/; // visible ASCII without "#"
const $NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/; // RFC 9110's token, in lower case
const $VALUE = /^[\t\x20-\x7e\xa0-\xff]*$/;
const $TEXT = /"(?:[^"\\]|\\.)*"/g;

/** Returns the plaintext of a request, padded to a multiple of `block` bytes; a TypeError where it cannot be sent. */
export function $packRequest(request: $RequestHead, body: Uint8Array, block = 1): Uint8Array {
  $check(request);
  const { method, path, headers } = request;
  let head = JSON.stringify({ method, path, headers });
  let pad = 0;
  if (block > 1) {
    // The digits are always as many, or telling how much padding there is would change it.
    const width = String(block).length;
    const size = 4 + $encodeText(head).length + ',"pad":'.length + width + body.length;
    pad = (block - (size % block)) % block;
    head = `${head.slice(0, -1)},"pad":${String(pad).padStart(width)}}`;
  }
  const bytes = $encodeText(head);
  if (bytes.length > $HEAD_BYTES) throw new TypeError(`The headers have ${bytes.length} bytes; at most 32 KiB may be.`);
  return $join($toBytes(bytes.length, 4), bytes, body, new Uint8Array(pad));
}

function $check({ method, path, headers }: $RequestHead): void {
  if (!$METHODS.includes(method)) throw new TypeError(`The encrypted channel carries no ${method}.`);
  if (!$PATH.test(path)) throw new TypeError(`The path ${path} is not percent-encoded, or does not begin with "/".`);
  for (const [name, value] of headers) {
    if (!$ALLOWED.has(name) || !$VALUE.test(value))
      throw new TypeError(`The encrypted channel carries no header ${name} like this. It knows ${$listAllowed()}.`);
  }
}

function $listAllowed(): string {
  return [...$ALLOWED].join(", ");
}

/** Returns the head of a response, and the first bytes of its body. */
export function $readResponse(envelope: Uint8Array): { head: $ResponseHead; body: Uint8Array } {
  const length = envelope.length < 4 ? Infinity : $readU32(envelope, 0);
  if (length > Math.min($HEAD_BYTES, envelope.length - 4)) throw $invalid("its head is too long");
  const { status, headers, pad } = $readHead(envelope.subarray(4, 4 + length));
  const end = envelope.length - pad;
  if (end < 4 + length || envelope.subarray(end).some((byte) => byte !== 0)) throw $invalid("its padding is wrong");
  return { head: { status, headers }, body: envelope.slice(4 + length, end) };
}

function $readHead(bytes: Uint8Array): $ResponseHead & { pad: number } {
  const members = $parseOnce(bytes);
  const { status, headers, pad = 0, ...others } = members;
  if (Object.keys(others).length > 0) throw $invalid("its head has unknown members");
  if (!$isCount(status) || status < 200 || status > 599) throw $invalid("its status is none");
  if (!$isCount(pad)) throw $invalid("its padding is wrong");
  if (!$isHeaders(headers)) throw $invalid("its headers are none");
  return { status, headers, pad };
}

/** Parses an object of which no name occurs twice; that no objects are in it, checks who looks at its values. */
function $parseOnce(bytes: Uint8Array): Record<string, unknown> {
  const { text, value } = $parse(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw $invalid("its head is no object");
  const names = text.replace($TEXT, "").split(":").length - 1;
  if (names !== Object.keys(value).length) throw $invalid("a name is in its head twice");
  return value as Record<string, unknown>;
}

function $parse(bytes: Uint8Array): { text: string; value: unknown } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch (error) {
    throw $invalid("its head is no JSON", error);
  }
}

function $isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function $isHeaders(headers: unknown): headers is [string, string][] {
  return Array.isArray(headers) && headers.length <= $HEADERS && headers.every($isHeader);
}

function $isHeader(header: unknown): boolean {
  if (!Array.isArray(header) || header.length !== 2) return false;
  const [name, value] = header as unknown[];
  return typeof name === "string" && typeof value === "string" && $NAME.test(name) && $VALUE.test(value);
}

function $invalid(fault: string, cause?: unknown): KontractChannelError {
  return new KontractChannelError(`The server's answer breaks the channel's rules: ${fault}.`, "channel_invalid", {
    cause,
  });
}
