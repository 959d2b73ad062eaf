// What a call has given, on the page.
import { find, make } from "./dom.js";
import { lay } from "./exact.js";
import { readLines } from "./sending.js";

const SHOWN = 500; // items of a stream; the others are counted

/** Shows a response.  Returns the problem document where it is one. */
export async function showResponse(call, response, milliseconds, onProgress) {
  const section = find("#response");
  const body = find("#response-body");
  body.replaceChildren();
  find("#response-line").replaceChildren(...describe(response, milliseconds));
  find("#response-headers dl").replaceChildren(
    ...[...response.headers].flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
  section.hidden = false;
  if (!response.ok) return showProblem(body, await response.text());
  if (call.isStream) return await showStream(body, response, onProgress);
  if (call.isDownload) return await showDownload(call, body, response);
  const text = await response.text();
  const changes = readChanges(text);
  body.append(...(changes ? [makeChanges(changes)] : []), makeCode(lay(text), "Body of the response"));
  return null;
}

function describe(response, milliseconds) {
  const kind = response.ok ? "reads" : response.status < 500 ? "writes" : "deletes";
  const parts = [
    make("span", { className: `badge ${kind}`, id: "response-status" }, `${response.status} ${response.statusText}`.trim()),
    make("span", {}, `${milliseconds} ms`),
  ];
  const txid = response.headers.get("Kontract-Txid");
  if (txid !== null) parts.push(make("span", { id: "response-txid", title: "Where in commit order this stands" }, `txid ${txid}`));
  if (response.headers.get("Kontract-Replayed")) parts.push(make("span", { className: "badge guarded" }, "replayed"));
  return parts;
}

function makeCode(text, label) {
  const block = make("pre", { className: "code", tabIndex: 0, role: "group", "aria-label": label }, make("code", {}, text));
  block.dataset.language = "json";
  const frame = make("div", {}, block);
  window.kontractCode.dress(block);
  return frame;
}

function showProblem(body, text) {
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    body.append(make("p", { className: "problem" }, "This is no answer of kontract."));
  }
  if (problem !== null) {
    const code = make("code", {}, problem.code ?? "");
    body.append(make("p", { className: "problem", role: "alert" }, code, " ", problem.detail ?? problem.title ?? ""));
  }
  body.append(makeCode(lay(text), "Body of the response"));
  return problem;
}

function readChanges(text) {
  const { changes } = JSON.parse(text);
  return Array.isArray(changes) ? changes : null;
}

/** Returns what an update changes, in a line for each key. */
function listDifferences({ before, after }) {
  if (before === null || after === null) return [];
  const show = (value) => (value === undefined ? "nothing" : JSON.stringify(value));
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = keys.filter((key) => show(before[key]) !== show(after[key]));
  return differing.map((key) => `${key}: ${show(before[key])} → ${show(after[key])}`);
}

function makeChanges(changes) {
  const items = changes.map((change) => {
    const kind = { insert: "reads", update: "writes", delete: "deletes" }[change.op];
    const lines = listDifferences(change).map((line) => make("code", { className: "difference" }, line));
    const head = [make("span", { className: `badge ${kind}` }, change.op), make("code", {}, `${change.table} ${change.id}`)];
    return make("li", {}, ...head, ...lines);
  });
  const title = changes.length ? "Would change, and has not" : "Would change nothing";
  return make("div", { className: "changes" }, make("h4", {}, title), make("ul", {}, ...items));
}

async function showStream(body, response, onProgress) {
  const block = makeCode("", "Items of the stream");
  body.append(block);
  const shown = [];
  let count = 0;
  let problem = null;
  let isDone = false;
  for await (const line of readLines(response)) {
    const message = JSON.parse(line);
    if ("item" in message) {
      count += 1;
      if (shown.length < SHOWN) shown.push(line);
    } else {
      problem = message.problem ?? null;
      isDone = true;
      shown.push(line);
    }
    window.kontractCode.write(block.querySelector("pre"), shown.join("\n"));
    onProgress(`${count} item${count === 1 ? "" : "s"}`);
  }
  if (problem !== null || !isDone) {
    const text = problem === null ? "The stream broke off." : `${problem.code}: ${problem.detail ?? problem.title}`;
    body.prepend(make("p", { className: "problem", role: "alert" }, text));
  }
  return problem;
}

async function showDownload(call, body, response) {
  const blob = await response.blob();
  const named = /filename\*?=(?:UTF-8'')?"?([^";]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  const name = named ? decodeURIComponent(named[1]) : call.name;
  const link = make("a", { className: "button", href: URL.createObjectURL(blob), download: name }, `Save ${name}`);
  body.append(make("p", {}, link, ` ${blob.size.toLocaleString("en")} bytes`));
  return null;
}
