// The few things that this page does with elements.

export const find = (selector, root = document) => root.querySelector(selector);

/** Returns a new element from the template with this id. */
export function clone(id) {
  return find(`#${id}`).content.firstElementChild.cloneNode(true);
}

/** Sets the text of an element, and touches it only where that changes anything. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, in this order. Children of items that stay are kept, and with them
 * the focus. `items` have an `id`; `make` returns an item's element, and `fill` shows the item in it.
 */
export function reconcile(parent, items, make, fill) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.id, child]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const id = String(item.id);
    const element = kept.get(id) ?? make(item);
    kept.delete(id);
    element.dataset.id = id;
    fill(element, item);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  for (const child of kept.values()) child.remove();
}

/** Returns one of 360 hues, always the same for a text (FNV-1a). */
export function hueOf(text) {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  return String(hash % 360);
}

/** Colours an element by a text. */
export function tint(element, text) {
  element.style.setProperty("--hue", hueOf(text));
}
