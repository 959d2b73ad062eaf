// From JSON to the values that the types promise: dates, bytes and wide integers.
import { $fromBase64 } from "./json.js";
const $DATE_TIME = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)\d*(Z|[-+]\d\d:?\d\d)?$/;
/** A value is not what its type says. */
export class $Mismatch extends Error {
}
/** Converts a parsed value. Throws `Mismatch` where it is not what the type says. */
export function $decode(codec, value, isWide) {
    if (value === null || codec === "any")
        return value;
    if (codec === undefined)
        return isWide ? $refuseBigints(value) : value;
    if (typeof codec === "function")
        return $decode(codec(), value, isWide);
    if (codec === "date")
        return $readDate(value);
    if (codec === "bytes")
        return $readBytes(value);
    if (codec === "bigint")
        return $readBigint(value);
    if ("union" in codec)
        return $decodeUnion(codec.union, value, isWide);
    if ("fields" in codec)
        return $decodeFields(codec, value, isWide);
    if (!Array.isArray(value))
        throw new $Mismatch("a list is missing");
    return value.map((item, index) => $decode($codecAt(codec, index), item, isWide));
}
function $codecAt(codec, index) {
    if ("list" in codec)
        return codec.list;
    return index < codec.tuple.length ? codec.tuple[index] : codec.rest;
}
function $decodeFields(codec, value, isWide) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
        throw new $Mismatch("an object is missing");
    const decoded = { ...value };
    const isEach = codec.rest !== undefined || isWide;
    for (const name of Object.keys(isEach ? decoded : codec.fields)) {
        if (!Object.hasOwn(decoded, name))
            continue;
        const own = Object.hasOwn(codec.fields, name) ? codec.fields[name] : codec.rest;
        decoded[name] = $decode(own, decoded[name], isWide);
    }
    return decoded;
}
function $decodeUnion(branches, value, isWide) {
    let mismatch = new $Mismatch("a value fits no type of a union");
    for (const branch of branches) {
        if (!$looksLike(branch.is, value))
            continue;
        try {
            return $decode(branch.as, value, isWide);
        }
        catch (error) {
            if (!(error instanceof $Mismatch))
                throw error;
            mismatch = error;
        }
    }
    throw mismatch;
}
function $looksLike(shape, value) {
    if (shape === "array")
        return Array.isArray(value);
    if ($isValues(shape))
        return shape.includes(value);
    if (shape === "number")
        return typeof value === "number" || typeof value === "bigint";
    if (typeof shape === "string")
        return typeof value === shape;
    if (typeof value !== "object" || value === null || Array.isArray(value))
        return false;
    const fields = value;
    return (shape.has.every((name) => Object.hasOwn(fields, name)) &&
        Object.entries(shape.tags ?? {}).every(([name, values]) => values.includes(fields[name])));
}
function $isValues(shape) {
    return Array.isArray(shape);
}
/** A time without an offset is UTC, so that it means the same on every machine. */
function $readDate(value) {
    const found = $DATE_TIME.exec($text(value));
    if (found === null)
        throw new $Mismatch("a date is no ISO 8601 text");
    return new Date(`${found[1]}T${found[2]}${found[3] ?? "Z"}`);
}
function $readBytes(value) {
    try {
        return $fromBase64($text(value));
    }
    catch (error) {
        throw new $Mismatch("bytes are no base64 text", { cause: error });
    }
}
function $readBigint(value) {
    if (typeof value === "bigint" || Number.isInteger(value))
        return BigInt(value);
    throw new $Mismatch("an integer is missing");
}
function $refuseBigints(value) {
    if (typeof value === "bigint") {
        throw new $Mismatch(`the integer ${value} is beyond what a number holds exactly, and its type is number; give it bounds in ` +
            "Python that tell, as Annotated[int, Field(ge=-(2**63), lt=2**63)] does, and it becomes a bigint");
    }
    if (typeof value === "object" && value !== null)
        Object.values(value).forEach($refuseBigints);
    return value;
}
function $text(value) {
    if (typeof value !== "string")
        throw new $Mismatch("a text is missing");
    return value;
}
