// From JSON to the values that the types promise: dates, bytes and wide integers.

import { $fromBase64, type $Parsed } from "./json.ts";

/** Text of a Python `date`: `2030-12-31`. */
export type ISODate = string;
/** Text of a Python `time`: `23:59:59.999999`. */
export type ISOTime = string;
/** Text of a Python `timedelta`, an ISO 8601 duration: `P1DT2H`. */
export type ISODuration = string;
/** Text of a Python `UUID`. */
export type UUID = string;
/** Text of a Python `Decimal`, with all its digits: `"0.10"`. */
export type Decimal = string;

/**
 * Where in a JSON value something has to be converted; undefined: nowhere.
 * "any" may hold everything, and is left as it is.
 */
export type $Codec =
  | "date"
  | "bytes"
  | "bigint"
  | "any"
  | (() => $Codec)
  | { readonly list: $Codec }
  | { readonly tuple: readonly ($Codec | undefined)[]; readonly rest?: $Codec }
  | { readonly fields: { readonly [name: string]: $Codec | undefined }; readonly rest?: $Codec }
  | { readonly union: readonly $Branch[] };

/** One type of a union: what its values look like, and how they are converted. */
export interface $Branch {
  readonly is: $Shape;
  readonly as?: $Codec;
}

/** A list: one of these values. An object: it has the `has` properties, and those of `tags` with one of the values. */
export type $Shape =
  | "string"
  | "number"
  | "boolean"
  | "array"
  | readonly unknown[]
  | { readonly has: readonly string[]; readonly tags?: { readonly [name: string]: readonly unknown[] } };

const $DATE_TIME = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)\d*(Z|[-+]\d\d:?\d\d)?$/;

/** A value is not what its type says. */
export class $Mismatch extends Error {}

/** Converts a parsed value. Throws `Mismatch` where it is not what the type says. */
export function $decode(codec: $Codec | undefined, value: unknown, isWide: $Parsed["isWide"]): unknown {
  if (value === null || codec === "any") return value;
  if (codec === undefined) return isWide ? $refuseBigints(value) : value;
  if (typeof codec === "function") return $decode(codec(), value, isWide);
  if (codec === "date") return $readDate(value);
  if (codec === "bytes") return $readBytes(value);
  if (codec === "bigint") return $readBigint(value);
  if ("union" in codec) return $decodeUnion(codec.union, value, isWide);
  if ("fields" in codec) return $decodeFields(codec, value, isWide);
  if (!Array.isArray(value)) throw new $Mismatch("a list is missing");
  return value.map((item: unknown, index) => $decode($codecAt(codec, index), item, isWide));
}

function $codecAt(codec: Extract<$Codec, { list: unknown } | { tuple: unknown }>, index: number): $Codec | undefined {
  if ("list" in codec) return codec.list;
  return index < codec.tuple.length ? codec.tuple[index] : codec.rest;
}

function $decodeFields(codec: Extract<$Codec, { fields: unknown }>, value: unknown, isWide: boolean): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new $Mismatch("an object is missing");
  const decoded: Record<string, unknown> = { ...value };
  const isEach = codec.rest !== undefined || isWide;
  for (const name of Object.keys(isEach ? decoded : codec.fields)) {
    if (!Object.hasOwn(decoded, name)) continue;
    const own = Object.hasOwn(codec.fields, name) ? codec.fields[name] : codec.rest;
    decoded[name] = $decode(own, decoded[name], isWide);
  }
  return decoded;
}

function $decodeUnion(branches: readonly $Branch[], value: unknown, isWide: boolean): unknown {
  let mismatch = new $Mismatch("a value fits no type of a union");
  for (const branch of branches) {
    if (!$looksLike(branch.is, value)) continue;
    try {
      return $decode(branch.as, value, isWide);
    } catch (error) {
      if (!(error instanceof $Mismatch)) throw error;
      mismatch = error;
    }
  }
  throw mismatch;
}

function $looksLike(shape: $Shape, value: unknown): boolean {
  if (shape === "array") return Array.isArray(value);
  if ($isValues(shape)) return shape.includes(value);
  if (shape === "number") return typeof value === "number" || typeof value === "bigint";
  if (typeof shape === "string") return typeof value === shape;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = value as Record<string, unknown>;
  return (
    shape.has.every((name) => Object.hasOwn(fields, name)) &&
    Object.entries(shape.tags ?? {}).every(([name, values]) => values.includes(fields[name]))
  );
}

function $isValues(shape: $Shape): shape is readonly unknown[] {
  return Array.isArray(shape);
}

/** A time without an offset is UTC, so that it means the same on every machine. */
function $readDate(value: unknown): Date {
  const found = $DATE_TIME.exec($text(value));
  if (found === null) throw new $Mismatch("a date is no ISO 8601 text");
  return new Date(`${found[1]}T${found[2]}${found[3] ?? "Z"}`);
}

function $readBytes(value: unknown): Uint8Array {
  try {
    return $fromBase64($text(value));
  } catch (error) {
    throw new $Mismatch("bytes are no base64 text", { cause: error });
  }
}

function $readBigint(value: unknown): bigint {
  if (typeof value === "bigint" || Number.isInteger(value)) return BigInt(value as bigint | number);
  throw new $Mismatch("an integer is missing");
}

function $refuseBigints(value: unknown): unknown {
  if (typeof value === "bigint") {
    throw new $Mismatch(
      `the integer ${value} is beyond what a number holds exactly, and its type is number; give it bounds in ` +
        "Python that tell, as Annotated[int, Field(ge=-(2**63), lt=2**63)] does, and it becomes a bigint",
    );
  }
  if (typeof value === "object" && value !== null) Object.values(value).forEach($refuseBigints);
  return value;
}

function $text(value: unknown): string {
  if (typeof value !== "string") throw new $Mismatch("a text is missing");
  return value;
}
