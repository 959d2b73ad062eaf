// The past: a slider over the moments at which something changed, and the list of them.

import { clone, find, reconcile, tint, write } from "./dom.js";
import { sayAge, sayDate } from "./time.js";

const LISTED = 30;

/**
 * Shows the moments, of which `seen` (a txid; undefined: now) is the one that the board shows. Where the present is
 * shown the slider stays at its end, whatever is added.
 */
export function showMoments(moments, seen) {
  const slider = find("#moment");
  // A moment may meanwhile lie before those that are listed.
  const index = seen === undefined ? moments.length : Math.max(0, moments.findIndex(({ txid }) => txid === seen));
  slider.max = String(moments.length);
  slider.value = String(index);
  slider.style.setProperty("--done", `${moments.length === 0 ? 100 : (index / moments.length) * 100}%`);
  const moment = moments[index];
  const text = moment === undefined ? "Now" : `${sayAge(moment.at)}: ${moment.who} ${moment.what}`;
  slider.setAttribute("aria-valuetext", text);
  write(find("#moment-text"), text);
  document.body.classList.toggle("in-past", moment !== undefined);
  write(find("#past-when"), moment === undefined ? "" : sayAge(moment.at));
  write(find("#past-what"), moment === undefined ? "" : `${moment.who} ${moment.what}.`);
  const latest = moments.slice(-LISTED).reverse();
  const items = latest.map((each) => ({ id: each.txid, ...each, isSeen: each.txid === seen }));
  reconcile(find("#changes"), items, () => clone("change-template"), showChange);
}

function showChange(element, moment) {
  const time = find("time", element);
  element.classList.toggle("mine", moment.can_undo);
  if (moment.isSeen) element.setAttribute("aria-current", "true");
  else element.removeAttribute("aria-current");
  write(find(".who", element), moment.who);
  write(find(".what", element), moment.what);
  tint(find(".face", element), moment.who);
  write(time, sayAge(moment.at));
  time.dateTime = moment.at.toISOString();
  time.title = sayDate(moment.at);
  for (const button of element.querySelectorAll("button"))
    button.setAttribute("aria-label", `${button.textContent.trim()}: ${moment.who} ${moment.what}, ${sayAge(moment.at)}`);
}

/** Listens to the slider and to the list: `look` gets the txid to look at, undefined for now; `undo` that to undo. */
export function startMoments(findMoments, look, undo) {
  find("#moment").addEventListener("input", (event) => look(findMoments()[Number(event.target.value)]?.txid));
  find("#dock").addEventListener("submit", (event) => event.preventDefault());
  find("#changes").addEventListener("click", (event) => {
    const txid = Number(event.target.closest("li")?.dataset.id);
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act === "look") look(txid);
    if (act === "undo") undo(txid);
  });
  for (const button of document.querySelectorAll("[data-act=now]"))
    button.addEventListener("click", () => look(undefined));
}
