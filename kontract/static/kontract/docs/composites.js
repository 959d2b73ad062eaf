// Fields for values that have others inside.  See scalars.js; `context` makes what is inside, and knows where it is.
import { make, makeId } from "./dom.js";
import { fits, nameType, resolve } from "./schema.js";

/** Returns a group of fields, which its property names. */
function makeGroup(...children) {
  return make("div", { className: "nested", role: "group" }, ...children);
}

/** Returns the context of what is at `key` in a value; a function where that may change. */
function enter(context, key) {
  return { ...context, path: () => [...context.path(), typeof key === "function" ? key() : key] };
}

export function makeObject(schema, name, context) {
  const required = schema.required ?? [];
  const properties = Object.entries(schema.properties).map(([key, own]) => {
    return context.makeProperty(key, own, required.includes(key), enter(context, key));
  });
  return {
    element: makeGroup(...properties.map((property) => property.element)),
    focusable: null,
    write(dialect) {
      const given = properties.filter((property) => property.isSet());
      return dialect.object(given.map((property) => [property.name, property.write(dialect)]), name);
    },
    set(value) {
      for (const property of properties) property.set(value?.[property.name]);
    },
  };
}

export function makeTuple(schema, context) {
  const properties = schema.prefixItems.map((item, n) => {
    return context.makeProperty(String(n + 1), item, true, enter(context, n));
  });
  return {
    element: makeGroup(...properties.map((property) => property.element)),
    focusable: null,
    write: (dialect) => dialect.list(properties.map((property) => property.write(dialect))),
    set: (value) => properties.forEach((property, n) => property.set(value?.[n])),
  };
}

/** Rows that can be added and removed.  `makeRow(row)` returns the elements of a row, and puts its fields into it. */
class Rows {
  constructor(noun, makeRow) {
    this.rows = [];
    this.noun = noun;
    this.makeRow = makeRow;
    this.items = make("div", { className: "items" });
    this.add = make("button", { type: "button", className: "small" }, `Add ${noun}`);
    this.add.addEventListener("click", () => {
      this.append().focus();
      this.tell();
    });
    this.element = makeGroup(this.items, this.add);
  }

  append() {
    const row = {};
    const remove = make("button", { type: "button", className: "small", "aria-label": `Remove ${this.noun}` }, "Remove");
    row.element = make("div", { className: "row" }, make("div", {}, ...this.makeRow(row)), remove);
    remove.addEventListener("click", () => {
      this.rows = this.rows.filter((other) => other !== row);
      row.element.remove();
      this.add.focus();
      this.tell();
    });
    this.rows.push(row);
    this.items.append(row.element);
    return row;
  }

  clear() {
    this.rows = [];
    this.items.replaceChildren();
  }

  /** Tells the form of a change, as typing does. */
  tell() {
    this.element.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

export function makeList(schema, context) {
  const rows = new Rows("item", (row) => {
    const position = () => rows.rows.indexOf(row);
    row.property = context.makeProperty("item", schema.items ?? {}, true, enter(context, position));
    row.focus = () => row.property.focus();
    return [row.property.element];
  });
  for (let n = 0; n < (schema.minItems ?? 0); n += 1) rows.append();
  return {
    element: rows.element,
    focusable: null,
    write: (dialect) => dialect.list(rows.rows.map((row) => row.property.write(dialect))),
    set(values) {
      rows.clear();
      for (const value of values ?? []) rows.append().property.set(value);
    },
  };
}

// What reads the text of a key, whatever field it is given in.
const KEY = { text: JSON.stringify, number: JSON.stringify, choice: (written) => written };

export function makeMap(schema, context) {
  const values = typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
  const readKey = (row) => JSON.parse(row.key.write(KEY));
  const rows = new Rows("entry", (row) => {
    row.key = context.makeProperty("key", { type: "string", ...schema.propertyNames }, true, enter(context, "[key]"));
    row.value = context.makeProperty("value", values, true, enter(context, () => readKey(row)));
    row.focus = () => row.key.focus();
    return [row.key.element, row.value.element];
  });
  return {
    element: rows.element,
    focusable: null,
    write: (dialect) => dialect.map(rows.rows.map((row) => [readKey(row), row.value.write(dialect)])),
    set(entries) {
      rows.clear();
      for (const [key, value] of Object.entries(entries ?? {})) {
        const row = rows.append();
        row.key.set(key);
        row.value.set(value);
      }
    },
  };
}

export function makeUnion(members, context) {
  const labels = members.map((member) => nameType(member));
  const options = labels.map((label, n) => make("option", { value: String(n) }, label));
  const select = make("select", { id: makeId("field"), className: "variant", "aria-label": "Kind of value" }, ...options);
  const place = make("div");
  let field = null;

  function choose(n) {
    select.value = String(n);
    field = context.makeField(members[n], context);
    field.focusable?.setAttribute("aria-label", labels[n]);
    place.replaceChildren(field.element);
  }

  select.addEventListener("change", () => choose(Number(select.value)));
  const isOutside = (member) => !context.inside.includes(resolve(member, context.definitions).name ?? member);
  choose(Math.max(0, members.findIndex(isOutside)));
  return {
    element: makeGroup(select, place),
    focusable: null,
    write: (dialect) => field.write(dialect),
    set(value) {
      choose(Math.max(0, members.findIndex((member) => fits(value, member, context.definitions))));
      field.set(value);
    },
  };
}
