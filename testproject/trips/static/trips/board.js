// The trips.

import { clone, find, reconcile, tint, write } from "./dom.js";

/** Shows the trips; what is new since the last time glows, unless all of it is. */
export function showBoard(trips) {
  const list = find("#trips");
  const isFirst = list.getAttribute("aria-busy") === "true";
  list.classList.toggle("fresh", !isFirst);
  reconcile(list, trips, () => clone("trip-template"), showTrip);
  list.setAttribute("aria-busy", "false");
  find("#empty").hidden = trips.length > 0;
}

function showTrip(element, trip) {
  element.classList.toggle("mine", trip.is_mine);
  write(find(".title", element), trip.title);
  write(find(".traveller .name", element), trip.traveller);
  tint(find(".traveller .face", element), trip.traveller);
  for (const act of ["rename", "remove"]) nameAction(element, act, trip.title);
  reconcile(find(".stops", element), trip.stops, () => clone("stop-template"), showStop);
  find(".none", element).hidden = trip.stops.length > 0;
}

function showStop(element, stop) {
  const stamp = find(".stamp", element);
  write(stamp, stop.country);
  tint(stamp, stop.country);
  write(find(".place", element), stop.place);
  write(find(".country", element), stop.country_name);
  write(find(".note", element), stop.note);
  for (const act of ["edit", "skip"]) nameAction(element, act, stop.place);
}

/** Tells people who do not see where a button is what it is about. */
function nameAction(element, act, subject) {
  const button = find(`[data-act=${act}]`, element);
  const label = `${find(".unseen", button).textContent}: ${subject}`;
  if (button.getAttribute("aria-label") !== label) {
    button.setAttribute("aria-label", label);
    button.title = label;
  }
}
