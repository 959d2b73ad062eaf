// The dialog in which whoever reads says who calls.
import { find, make, makeId } from "./dom.js";

const LABELS = { email: "E-mail", username: "Username", password: "Password" };

export function setUpAccount(call, session) {
  const button = find("button.account");
  const dialog = find("dialog#account");
  const fault = find("#account-fault");

  /** Runs what may fail, and shows how it did. */
  async function attempt(work) {
    fault.hidden = true;
    try {
      await work();
      dialog.close();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  }

  function show() {
    button.textContent = session.name ?? "Sign in";
    button.classList.toggle("known", session.name !== null);
    find("#account-now").textContent = describe(call, session);
    find("#account-ways").replaceChildren(...listWays(call, session, attempt));
  }

  button.addEventListener("click", () => {
    fault.hidden = true;
    dialog.showModal();
  });
  session.addEventListener("change", show);
  button.hidden = call.auth === null && call.session === null;
  show();
}

function describe(call, session) {
  if (session.hasToken) return `Calls are made as ${session.name}, with a token that this tab keeps.`;
  return call.session ? `Calls are made as ${call.session}, whom a cookie signs in.` : "Calls are made as nobody.";
}

function listWays(call, session, attempt) {
  if (session.hasToken) {
    const out = makeButton("Forget the token");
    out.addEventListener("click", () => void attempt(() => session.signOut()));
    return [make("div", { className: "way" }, out)];
  }
  if (call.auth === null) return [];
  const ways = call.auth.providers.map((provider) => makeLogin(provider, session, attempt));
  if (call.auth.anonymous) ways.unshift(makeVisitor(session, attempt));
  return [...ways, makeToken(session, attempt)];
}

function makeButton(text, type = "button") {
  return make("button", { type, className: "button" }, text);
}

function makeVisitor(session, attempt) {
  const begin = makeButton("Begin as a visitor");
  begin.classList.add("primary");
  begin.addEventListener("click", () => void attempt(() => session.beginAsVisitor()));
  const hint = make("p", { className: "hint" }, "With an id of one's own, and no account.");
  return make("div", { className: "way" }, begin, hint);
}

function makeInput(name, label, type) {
  const input = make("input", { id: makeId("credential"), name, type, required: true, autocomplete: "off", spellcheck: false });
  return [make("label", { htmlFor: input.id }, label), input];
}

function makeLogin({ name, fields }, session, attempt) {
  const inputs = fields.flatMap((field) => makeInput(field, LABELS[field] ?? field, field === "password" ? "password" : "text"));
  const form = make("form", { className: "way" }, make("h3", {}, `Sign in (${name})`), ...inputs, makeButton("Sign in", "submit"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(() => session.signIn(name, Object.fromEntries(new FormData(form))));
  });
  return form;
}

function makeToken(session, attempt) {
  const form = make(
    "form",
    { className: "way" },
    make("h3", {}, "Use an access token"),
    ...makeInput("token", "Token", "password"),
    makeButton("Use it", "submit"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(() => session.useToken(new FormData(form).get("token").trim()));
  });
  return form;
}
