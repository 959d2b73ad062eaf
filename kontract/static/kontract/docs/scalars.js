// Fields for single values.  A field has an `element`; `focusable`, which a label is for, or null; `write(dialect)`,
// which returns the value as text and throws Fault; and `set(value)`.
import { write } from "./dialects.js";
import { make, makeId } from "./dom.js";
import { Digits, lay, parse } from "./exact.js";
import { isBytes } from "./schema.js";

const LONG = 200; // characters, from which on a text gets several lines
const HINTS = {
  date: "2030-01-31",
  "date-time": "2030-01-31T12:00:00Z",
  time: "12:00:00",
  duration: "PT1H30M",
  uuid: "0190a8c4-5be0-7cc4-8a6b-0ff1c0a0a0a0",
  decimal: "9.90",
};

/** What cannot be sent, in a sentence for whoever typed it; `property` is where. */
export class Fault extends Error {
  property = null;
}

export function makeNothing() {
  return { element: make("p", { className: "hint" }, "null"), focusable: null, write: (d) => d.none, set() {} };
}

export function makeConstant(value, schema, name) {
  const written = (dialect) => write(value, dialect);
  return {
    element: make("code", { className: "type" }, JSON.stringify(value)),
    focusable: null,
    write: (dialect) => ("enum" in schema ? dialect.choice(written(dialect), name) : written(dialect)),
    set() {},
  };
}

export function makeChoice(values, schema, name) {
  const labels = schema["x-enum-varnames"] ?? [];
  const options = values.map((value, n) => {
    const text = JSON.stringify(value);
    return make("option", { value: String(n) }, labels[n] ? `${labels[n]} (${text})` : text);
  });
  const select = make("select", { id: makeId("field") }, ...options);
  return {
    element: select,
    focusable: select,
    write(dialect) {
      const written = write(values[Number(select.value)], dialect);
      return "enum" in schema ? dialect.choice(written, name) : written;
    },
    set(value) {
      select.value = String(Math.max(0, values.indexOf(value)));
    },
  };
}

export function makeBoolean() {
  const options = ["true", "false"].map((text) => make("option", { value: text }, text));
  const select = make("select", { id: makeId("field") }, ...options);
  return {
    element: select,
    focusable: select,
    write: (dialect) => dialect.boolean(select.value === "true"),
    set: (value) => (select.value = String(value)),
  };
}

export function makeText(schema) {
  const isLong = (schema.maxLength ?? 0) > LONG || (isBytes(schema) && !schema.maxLength);
  const attributes = { id: makeId("field"), autocomplete: "off", spellcheck: false, placeholder: HINTS[schema.format] };
  const input = isLong ? make("textarea", { ...attributes, rows: 3 }) : make("input", attributes);
  if (schema.format === "date") input.type = "date";
  return {
    element: input,
    focusable: input,
    write(dialect) {
      if (schema.format && HINTS[schema.format] && !input.value) throw new Fault(`Give a ${schema.format}.`);
      return dialect.text(input.value, schema);
    },
    set: (value) => (input.value = String(value ?? "")),
  };
}

export function makeNumber(schema) {
  const isWhole = schema.type === "integer";
  const input = make("input", { id: makeId("field"), inputMode: isWhole ? "numeric" : "decimal", autocomplete: "off" });
  const pattern = isWhole ? /^-?(0|[1-9]\d*)$/ : /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
  return {
    element: input,
    focusable: input,
    write(dialect) {
      const digits = input.value.trim();
      if (!pattern.test(digits)) throw new Fault(isWhole ? "Give a whole number." : "Give a number.");
      return dialect.number(digits, schema);
    },
    set: (value) => (input.value = value instanceof Digits ? value.text : String(value ?? "")),
  };
}

export function makeAny() {
  const input = make("textarea", { id: makeId("field"), rows: 3, spellcheck: false, placeholder: "any JSON value" });
  return {
    element: input,
    focusable: input,
    write(dialect) {
      try {
        return write(parse(input.value), dialect);
      } catch {
        throw new Fault('Give a JSON value, such as 1, "text" or {}.');
      }
    },
    set: (value) => (input.value = lay(JSON.stringify(value))),
  };
}
