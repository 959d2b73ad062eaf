// What people do to trips and stops.

import {
  addStop,
  addTrip,
  batch,
  editStop,
  listCountries,
  removeStop,
  removeTrip,
  renameTrip,
} from "./api.js";
import { ask, explain } from "./dialogs.js";
import { find } from "./dom.js";
import { notify } from "./notices.js";
import { act } from "./session.js";

/** Listens to forms and buttons; `findTrip` returns the trip with an id, and `onDone` is told of each change. */
export function startEditing(findTrip, onDone) {
  const perform = async (call) => {
    await act(call);
    onDone();
  };
  find("#new-trip").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    await attempt(() => perform(() => addTrip({ title: form.elements.title.value })));
    form.reset();
  });
  find("#trips").addEventListener("click", (event) => {
    const action = event.target.closest("[data-act]")?.dataset.act;
    if (action === undefined) return;
    const trip = findTrip(event.target.closest(".trip").dataset.id);
    const stop = trip.stops.find(({ id }) => id === event.target.closest(".stop")?.dataset.id);
    ACTIONS[action]({ trip, stop, perform });
  });
}

const ACTIONS = {
  rename: ({ trip, perform }) =>
    ask(find("#trip-dialog"), { title: trip.title }, ({ title }) =>
      perform(() => renameTrip({ trip: trip.id, title })),
    ),
  remove: ({ trip, perform }) => attempt(() => perform(() => removeTrip({ trip: trip.id }))),
  add: ({ trip, perform }) =>
    askStop("Add a stop", {}, (fields) => perform(() => addStop({ trip: trip.id, ...fields }))),
  edit: ({ stop, perform }) => {
    const { id, place, country, note } = stop;
    return askStop("Change the stop", { place, country, note }, (fields) =>
      perform(() => editStop({ stop: id, ...fields })),
    );
  },
  skip: ({ stop, perform }) => attempt(() => perform(() => removeStop({ stop: stop.id }))),
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

/** Runs what may fail, and tells people if it does. */
export async function attempt(run) {
  try {
    await run();
  } catch (error) {
    notify(explain(error), "failure");
  }
}
