// "Try it": brings the form, who calls, the answer and the examples together.
import { setUpAccount } from "./account.js";
import { find } from "./dom.js";
import { ArgumentsForm } from "./form.js";
import { showResponse } from "./response.js";
import { Fault } from "./scalars.js";
import { send } from "./sending.js";
import { Session } from "./session.js";
import { writeCurl, writePython, writeTypescript } from "./snippets.js";

const TXID = "kontract-docs-txid";
const call = JSON.parse(find("#kontract-data").textContent);
const form = new ArgumentsForm(call);
const session = new Session(call);
let controller = null;

/** Returns what the options say: `asOf` and `key` are texts or null. */
function readOptions() {
  const asOf = find("#as-of")?.value.trim() || null;
  const key = find("#idempotency-key")?.value.trim() || null;
  const isDryRun = find("#dry-run")?.checked ?? false;
  const headers = {};
  if (asOf !== null) headers["Kontract-As-Of"] = asOf;
  if (isDryRun) headers["Kontract-Dry-Run"] = "1";
  if (key !== null) headers["Idempotency-Key"] = key;
  return { asOf, key, isDryRun, headers };
}

/** Shows the call that the form describes as code; what cannot be sent is left as it was. */
function writeExamples() {
  const options = readOptions();
  const writers = { curl: writeCurl, typescript: writeTypescript, python: writePython };
  for (const [id, write] of Object.entries(writers)) {
    const block = find(`#example-${id} pre`);
    if (block === null) continue;
    try {
      window.kontractCode.write(block, write(call, form, options, session.hasToken));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }
}

async function run() {
  form.clearFaults();
  const progress = find("#progress");
  const start = performance.now();
  controller = new AbortController();
  setBusy(true);
  try {
    const response = await send(call, form, readOptions(), session, controller.signal);
    const took = Math.round(performance.now() - start);
    noteTxid(response.headers.get("Kontract-Txid"));
    const problem = await showResponse(call, response, took, (text) => (progress.textContent = text));
    progress.textContent ||= response.ok ? "Done" : `Failed: ${response.status}`;
    if (!problem?.errors || !form.showErrors(problem.errors)) find("#response").scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (error instanceof Fault) {
      form.showFault(error);
      progress.textContent = "";
    } else progress.textContent = error.name === "AbortError" ? "Stopped" : error.message;
  } finally {
    setBusy(false);
  }
}

function setBusy(isBusy) {
  find("#send").disabled = isBusy || call.isEncrypted;
  find("#stop").hidden = !isBusy;
  if (isBusy) find("#progress").textContent = "";
}

/** Remembers where the last call of this tab stood, to read as of it. */
function noteTxid(txid) {
  try {
    if (txid !== null) sessionStorage.setItem(TXID, txid);
    const last = sessionStorage.getItem(TXID);
    const button = find("#as-of-last");
    if (button === null || last === null) return;
    button.textContent = `Use ${last}, the last txid seen.`;
    button.dataset.txid = last;
    button.hidden = false;
  } catch {
    // The browser keeps nothing for this page.
  }
}

function setUpModes() {
  const buttons = [...document.querySelectorAll(".modes button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      try {
        form.show(button.dataset.mode === "json");
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        form.showFault(error);
        return;
      }
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      writeExamples();
    });
  }
  find(".modes").hidden = form.isEmpty;
}

function setUpOptions() {
  find("#options").hidden = find("#options input") === null;
  find("#new-key")?.addEventListener("click", () => {
    find("#idempotency-key").value = crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].join("");
    writeExamples();
  });
  find("#as-of-last")?.addEventListener("click", (event) => {
    find("#as-of").value = event.target.dataset.txid;
    writeExamples();
  });
  noteTxid(null);
}

function setUpNotice() {
  if (!call.isEncrypted) return;
  find("#notice").textContent = "This has to be called through the encrypted channel, which this page does not speak.";
  find("#notice").hidden = false;
  find("#send").disabled = true;
}

find("#try-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
find("#try-form").addEventListener("input", writeExamples);
find("#try-form").addEventListener("change", writeExamples);
find("#stop").addEventListener("click", () => controller?.abort());
session.addEventListener("change", writeExamples);
setUpModes();
setUpOptions();
setUpNotice();
setUpAccount(call, session);
find("#try-form").hidden = false;
writeExamples();
