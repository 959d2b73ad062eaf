// What makes elements: nothing here ever reads text as HTML.

/** Returns a new element; properties that are not the element's own are attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const find = (selector) => document.querySelector(selector);

let last = 0;

/** Returns an id that no other element has. */
export function makeId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}

/** Shows a sentence under a field, or none, and tells assistive technology which field it is about. */
export function showFault(field, place, text) {
  place.textContent = text ?? "";
  place.hidden = !text;
  if (!field) return;
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}
