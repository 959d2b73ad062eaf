// Values as JSON, TypeScript and Python write them, the latter two for the clients that are generated.
import { Digits } from "./exact.js";
import { isBytes, isWide } from "./schema.js";

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const PYTHON_FORMATS = {
  date: (text) => `date.fromisoformat(${text})`,
  "date-time": (text) => `datetime.fromisoformat(${text})`,
  decimal: (text) => `Decimal(${text})`,
  time: (text) => `time.fromisoformat(${text})`,
  uuid: (text) => `UUID(${text})`,
};

/** Returns a text in quotes, as Python's repr() with a preference for double ones. */
function quotePython(text) {
  const escapes = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const plain = text.replace(/[\\\n\r\t]|[\x00-\x1f\x7f]/g, (char) => {
    return escapes[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  if (!plain.includes('"')) return `"${plain}"`;
  return `'${plain.replaceAll("'", "\\'")}'`;
}

const RESERVED = new Set(
  ("False None True and as assert async await break class continue def del elif else except finally for from global if " +
    "import in is lambda nonlocal not or pass raise return try while with yield").split(" "),
);

/** Returns what the client for Python calls a property, for all but very strange names. */
function nameAttribute(key) {
  const name = key.replace(/[^\p{L}\p{N}_]/gu, "_").replace(/^_+/, "");
  return RESERVED.has(name) ? `${name}_` : /^[\p{L}_]/u.test(name) ? name : `x${name}`;
}

const join = (entries, write) => entries.map(([name, value]) => write(name, value)).join(", ");

export const json = {
  text: (value) => JSON.stringify(value),
  number: (digits) => digits,
  boolean: String,
  none: "null",
  list: (items) => `[${items.join(", ")}]`,
  map: (entries) => `{${join(entries, (name, value) => `${JSON.stringify(name)}: ${value}`)}}`,
  object: (entries) => json.map(entries),
  choice: (written) => written,
};

export const typescript = {
  ...json,
  text(value, schema = {}) {
    if (schema.format === "date-time") return `new Date(${JSON.stringify(value)})`;
    return isBytes(schema) ? `Uint8Array.fromBase64(${JSON.stringify(value)})` : JSON.stringify(value);
  },
  number: (digits, schema = {}) => (isWide(schema) ? `${digits}n` : digits),
  map(entries) {
    const write = (name, value) => `${IDENTIFIER.test(name) ? name : JSON.stringify(name)}: ${value}`;
    return entries.length ? `{ ${join(entries, write)} }` : "{}";
  },
  object: (entries) => typescript.map(entries),
};

export const python = {
  text(value, schema = {}) {
    const quoted = quotePython(value);
    if (isBytes(schema)) return `urlsafe_b64decode(${quoted})`;
    return PYTHON_FORMATS[schema.format]?.(quoted) ?? quoted;
  },
  number: (digits) => digits,
  boolean: (value) => (value ? "True" : "False"),
  none: "None",
  list: (items) => `[${items.join(", ")}]`,
  map: (entries) => `{${join(entries, (name, value) => `${quotePython(name)}: ${value}`)}}`,
  object(entries, name) {
    return name ? `${name}(${join(entries, (key, value) => `${nameAttribute(key)}=${value}`)})` : python.map(entries);
  },
  choice: (written, name) => (name ? `${name}(${written})` : written),
};

/** Returns a value of JSON, whatever its type, in a dialect. */
export function write(value, dialect) {
  if (value === null || value === undefined) return dialect.none;
  if (value instanceof Digits) return dialect.number(value.text);
  if (typeof value === "string") return dialect.text(value);
  if (typeof value === "number") return dialect.number(JSON.stringify(value));
  if (typeof value === "boolean") return dialect.boolean(value);
  if (Array.isArray(value)) return dialect.list(value.map((item) => write(item, dialect)));
  return dialect.map(Object.entries(value).map(([name, item]) => [name, write(item, dialect)]));
}
