// A named value in a form: its label, whether it is sent at all, what it has to be, and what is wrong with it.
import { make, makeId, showFault } from "./dom.js";
import { nameType, resolve } from "./schema.js";

/** Returns a property.  `context.path()` is where it is in the arguments, as the server's errors say. */
export function makeProperty(name, given, isRequired, context) {
  const property = new Property(name, given, context);
  if (isRequired) property.build();
  else property.makeOptional();
  context.register(property);
  return property;
}

class Property {
  #given;
  #context;
  #field = null; // what may be left out is made when it is wanted: a type may contain its like
  #toggle = null;
  #id = makeId("property");

  constructor(name, given, context) {
    this.name = name;
    this.path = context.path;
    this.#given = given;
    this.#context = context;
    this.label = make("label", { id: `${this.#id}-label` }, name);
    this.head = make("div", { className: "field-head" }, this.label, make("span", { className: "type" }, nameType(given)));
    this.control = make("div", { className: "control" });
    this.fault = make("p", { className: "fault", id: `${this.#id}-fault`, hidden: true });
    this.element = make("div", { className: "field" }, this.head, this.control, this.fault);
  }

  /** Makes the field inside, once. */
  build() {
    if (this.#field !== null) return this.#field;
    this.#field = this.#context.makeField(this.#given, this.#context);
    const isOne = this.#field.focusable !== null; // of a group the type says too much
    const { schema } = isOne ? resolve(this.#given, this.#context.definitions) : { schema: this.#given };
    const hint = make("p", { className: "hint", id: `${this.#id}-hint`, hidden: !schema.description }, schema.description ?? "");
    this.control.append(this.#field.element, hint);
    const { focusable, element } = this.#field;
    const target = focusable ?? element;
    target.setAttribute("aria-describedby", `${hint.id} ${this.fault.id}`);
    if (focusable) this.label.htmlFor = focusable.id;
    else if (target.getAttribute("role") === "group") target.setAttribute("aria-labelledby", this.label.id);
    if (this.#toggle === null) focusable?.setAttribute("aria-required", "true");
    return this.#field;
  }

  /** Lets the value be left out, as it is at first. */
  makeOptional() {
    const hasDefault = "default" in this.#given;
    const note = hasDefault ? `default ${JSON.stringify(this.#given.default)}` : "not sent";
    this.#toggle = make("input", { type: "checkbox", "aria-label": `Send ${this.name}` });
    this.#toggle.addEventListener("change", () => {
      const isNew = this.#field === null;
      this.#send(this.#toggle.checked);
      if (isNew && hasDefault && this.#given.default !== null) this.#field.set(this.#given.default);
    });
    this.head.prepend(this.#toggle);
    this.head.append(make("span", { className: "unset-note" }, note));
    this.#send(false);
  }

  #send(isSent) {
    if (isSent) this.build();
    this.#toggle.checked = isSent;
    this.element.classList.toggle("unset", !isSent);
  }

  isSet() {
    return this.#toggle === null || this.#toggle.checked;
  }

  write(dialect) {
    try {
      return this.#field.write(dialect);
    } catch (error) {
      error.property ??= this;
      throw error;
    }
  }

  /** Takes over a value; `undefined` for none. */
  set(value) {
    if (this.#toggle !== null) this.#send(value !== undefined);
    if (value !== undefined) this.#field.set(value);
  }

  showFault(text) {
    showFault(this.#field?.focusable, this.fault, text);
  }

  focus() {
    (this.#field?.focusable ?? this.element.querySelector("input, select, textarea, button"))?.focus();
  }
}
