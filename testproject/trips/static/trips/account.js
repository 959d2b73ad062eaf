// The button that says who is here, and its dialog.

import { ask } from "./dialogs.js";
import { find, tint, write } from "./dom.js";
import { attempt } from "./failures.js";
import { notify } from "./notices.js";
import { email, findName, isGuest, onWho, register, signIn, signOut } from "./session.js";

const WORDS = {
  register: { title: "Keep your trips", submit: "Create account", autocomplete: "new-password" },
  login: { title: "Welcome back", submit: "Sign in", autocomplete: "current-password" },
};

/** Shows who is here. */
export function startAccount() {
  const button = find("#account");
  const dialog = find("#account-dialog");
  const [signing, signed] = dialog.querySelectorAll("form");
  signing.addEventListener("change", (event) => event.target.name === "way" && showWay(dialog, signing));
  button.addEventListener("click", () => {
    signing.hidden = !isGuest();
    signed.hidden = isGuest();
    if (isGuest()) {
      ask(dialog, {}, enter, signing);
      showWay(dialog, signing);
    } else ask(dialog, {}, leave, signed);
  });
  const show = () => attempt(async () => showWho(button, signed, await findName()));
  onWho(() => void show());
  return show();
}

function showWay(dialog, form) {
  const way = form.elements.way.value;
  const { title, submit, autocomplete } = WORDS[way];
  write(find("h2", form), title);
  write(find(".primary", form), submit);
  form.elements.password.autocomplete = autocomplete;
  for (const hint of form.querySelectorAll("[data-way]")) hint.hidden = hint.dataset.way !== way;
}

async function enter({ way, email: address, password }) {
  const credentials = { email: address, password };
  await (way === "register" ? register(credentials) : signIn(credentials));
  notify(way === "register" ? "Your trips are yours to keep." : "Welcome back.");
}

async function leave() {
  await signOut();
  notify("You are signed out.");
}

function showWho(button, signed, name) {
  write(find(".name", button), name === "" ? "Guest" : isGuest() ? `${name} (guest)` : name);
  tint(find(".face", button), name);
  write(find(".name", signed), name);
  write(find(".email", signed), email());
}
