// Forms that open above the page.

import { find, write } from "./dom.js";
import { explain } from "./failures.js";

/**
 * Opens a dialog with these values in its form. `submit` gets what was entered; the dialog closes when it is done, and
 * stays open with its complaint where it fails.
 */
export function ask(dialog, values, submit, form = find("form", dialog)) {
  const fault = find(".fault", form);
  form.reset();
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  if (fault !== null) write(fault, "");
  form.onsubmit = async (event) => {
    event.preventDefault();
    const button = find(".primary", form);
    button.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      write(fault, explain(error));
    } finally {
      button.disabled = false;
    }
  };
  dialog.showModal();
}

/** Lets the buttons that say so close their dialogs, and clicks beside them. */
export function startDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const isBeside = event.target === dialog;
      if (isBeside || event.target.closest("[data-act=close]")) dialog.close();
    });
  }
}
