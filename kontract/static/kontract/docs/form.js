// The arguments of a call, as fields or as a text of JSON.
import { json, write } from "./dialects.js";
import { find, make, makeId, showFault } from "./dom.js";
import { lay, parse } from "./exact.js";
import { makeField } from "./fields.js";
import { makeProperty } from "./properties.js";
import { Fault } from "./scalars.js";

export class ArgumentsForm {
  #call;
  #known = []; // every property that was made, also those removed since
  #properties;
  #files = new Map();
  #isText = false;
  #text = find("#json-text");

  constructor(call) {
    this.#call = call;
    const { properties = {}, required = [] } = call.arguments;
    const register = (property) => this.#known.push(property);
    const context = { definitions: call.definitions, makeField, makeProperty, register, inside: [] };
    this.#properties = Object.entries(properties).map(([name, schema]) => {
      return makeProperty(name, schema, required.includes(name), { ...context, path: () => [name] });
    });
    for (const property of this.#properties) property.set(call.example[property.name]);
    find("#arguments").append(...this.#properties.map((property) => property.element));
    find("#files").append(...call.uploads.map((upload) => this.#makeFile(upload)));
  }

  get isEmpty() {
    return this.#properties.length === 0;
  }

  #makeFile({ name, required, many }) {
    const input = make("input", { type: "file", id: makeId("file"), multiple: many });
    const type = make("span", { className: "type" }, `${many ? "file[]" : "file"}${required ? "" : ", may be left out"}`);
    const fault = make("p", { className: "fault", id: `${input.id}-fault`, hidden: true });
    input.setAttribute("aria-describedby", fault.id);
    this.#files.set(name, { input, fault, required });
    const head = make("div", { className: "field-head" }, make("label", { htmlFor: input.id }, name), type);
    return make("div", { className: "field" }, head, input, fault);
  }

  /** Returns the arguments as an object in a dialect.  Throws Fault. */
  write(dialect) {
    if (this.#isText) return write(this.#parseText(), dialect);
    return dialect.map(this.listEntries(dialect));
  }

  /** Returns the arguments that are given, with their values in a dialect.  Throws Fault. */
  listEntries(dialect) {
    if (this.#isText) return Object.entries(this.#parseText()).map(([key, value]) => [key, write(value, dialect)]);
    const given = this.#properties.filter((property) => property.isSet());
    return given.map((property) => [property.name, property.write(dialect)]);
  }

  #parseText() {
    let value;
    try {
      value = parse(this.#text.value);
    } catch (error) {
      throw new Fault(error.message);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Fault('Give an object, such as {"a": 1}.');
    return value;
  }

  /** Shows the arguments as text, or as fields, which take over what was given.  Throws Fault where they cannot. */
  show(isText) {
    if (isText) this.#text.value = lay(this.write(json));
    else {
      const value = this.#parseText();
      for (const property of this.#properties) property.set(value[property.name]);
    }
    this.#isText = isText;
    find("#arguments").hidden = isText;
    find("#arguments-json").hidden = !isText;
    this.clearFaults();
  }

  listFileNames(name) {
    return [...this.#files.get(name).input.files].map((file) => file.name);
  }

  /** Returns the files by parameter, as pairs.  Throws Fault where one is missing. */
  listFiles() {
    return [...this.#files].flatMap(([name, { input, required, fault }]) => {
      if (required && !input.files.length) {
        const missing = new Fault("Choose a file.");
        missing.property = { showFault: (text) => showFault(input, fault, text), focus: () => input.focus() };
        throw missing;
      }
      return [...input.files].map((file) => [name, file]);
    });
  }

  clearFaults() {
    for (const property of this.#known) property.showFault("");
    for (const { input, fault } of this.#files.values()) showFault(input, fault, "");
    showFault(this.#text, find("#json-fault"), "");
  }

  /** Shows what is wrong where it is wrong, and goes there. */
  showFault(fault) {
    const place = fault.property ?? {
      showFault: (text) => showFault(this.#text, find("#json-fault"), text),
      focus: () => this.#text.focus(),
    };
    place.showFault(fault.message);
    place.focus();
  }

  /** Shows the server's errors at the arguments that they are about; returns whether it could. */
  showErrors(errors) {
    if (this.#isText) return false;
    const connected = this.#known.filter((property) => property.element.isConnected);
    let first = null;
    for (const { path, message } of errors) {
      const isAt = (property) => property.path().every((step, n) => String(step) === String(path[n]));
      const at = connected.filter(isAt).sort((a, b) => b.path().length - a.path().length)[0];
      at?.showFault(message);
      first ??= at;
    }
    first?.focus();
    return first !== null;
  }
}
