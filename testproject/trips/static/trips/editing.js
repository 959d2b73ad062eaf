// What people do to trips and stops.

import { addStop, addTrip, batch, editStop, listCountries, removeStop, removeTrip, renameTrip, subscribe } from "./api.js";
import { ask } from "./dialogs.js";
import { find, write } from "./dom.js";
import { attempt } from "./failures.js";
import { act } from "./session.js";

/** Listens to forms and buttons; `findTrip` returns the trip with an id. What comes of it is seen as others' doings are. */
export function startEditing(findTrip) {
  find("#new-trip").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    await attempt(async () => {
      await act(() => addTrip({ title: form.elements.title.value }));
      form.reset();
    });
  });
  find("#trips").addEventListener("click", (event) => {
    const action = event.target.closest("[data-act]")?.dataset.act;
    if (action === undefined) return;
    const trip = findTrip(event.target.closest(".trip").dataset.id);
    const stop = trip.stops.find(({ id }) => id === event.target.closest(".stop")?.dataset.id);
    ACTIONS[action]({ trip, stop });
  });
}

const ACTIONS = {
  rename: ({ trip }) =>
    ask(find("#trip-dialog"), { title: trip.title }, ({ title }) => act(() => renameTrip({ trip: trip.id, title }))),
  remove: ({ trip }) => attempt(() => act(() => removeTrip({ trip: trip.id }))),
  add: ({ trip }) => askStop("Add a stop", {}, (fields) => act(() => addStop({ trip: trip.id, ...fields }))),
  edit: ({ stop: { id, place, country, note } }) =>
    askStop("Change the stop", { place, country, note }, (fields) => act(() => editStop({ stop: id, ...fields }))),
  skip: ({ stop }) => attempt(() => act(() => removeStop({ stop: stop.id }))),
};

async function askStop(title, values, submit) {
  const dialog = find("#stop-dialog");
  await attempt(() => fillCountries(find("select", dialog)));
  find("h2", dialog).textContent = title;
  ask(dialog, values, submit);
}

/** Fetches the countries when they are first needed: three pages of the atlas in one request. */
async function fillCountries(select) {
  if (select.options.length > 0) return;
  const pages = await batch((b) => [0, 100, 200].map((offset) => listCountries({ limit: 100, offset }, b)));
  for (const page of pages) {
    if (page.status === "rejected") throw page.reason;
    select.append(...page.value.map(({ code, name }) => new Option(name, code)));
  }
}

/** Keeps the countries' names as they are in the atlas, where anybody may change them. */
export function followCountries(onOpen) {
  return subscribe("countries", {
    onOpen,
    onUpdate({ id, data: { name } }) {
      const option = find(`#stop-dialog option[value="${id}"]`);
      if (option !== null) write(option, name);
    },
  });
}
