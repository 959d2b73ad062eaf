// The page: begins here.

import { listTrips, undoChange } from "./api.js";
import { startAccount } from "./account.js";
import { showBoard } from "./board.js";
import { startChannel } from "./channel.js";
import { startDialogs } from "./dialogs.js";
import { find, write } from "./dom.js";
import { startEditing } from "./editing.js";
import { attempt } from "./failures.js";
import { follow } from "./following.js";
import { showMoments, startMoments } from "./moments.js";
import { notify } from "./notices.js";
import { act, resume } from "./session.js";

const STATES = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };

let present = { trips: [], moments: [] };
let seen; // the txid of the moment that is shown; undefined: now

function show(next) {
  tellNews(present.moments, next.moments);
  present = next;
  if (seen === undefined) showBoard(present.trips);
  showMoments(present.moments, seen);
}

/** Announces what others have done since. */
function tellNews(before, now) {
  const last = before.at(-1)?.txid;
  if (last === undefined) return;
  for (const { txid, who, what, is_mine } of now) if (txid > last && !is_mine) notify(`${who} ${what}.`);
}

async function look(txid) {
  seen = txid;
  showMoments(present.moments, seen);
  if (txid === undefined) return showBoard(present.trips);
  await attempt(async () => {
    const trips = await listTrips({}, { asOf: txid });
    if (seen === txid) showBoard(trips); // the slider may have moved on
  });
}

function undo(txid) {
  return attempt(async () => {
    await act(() => undoChange({ txid }));
    notify("Taken back.");
  });
}

function tellState(state) {
  const live = find("#live");
  live.dataset.state = state;
  write(find(".text", live), STATES[state]);
}

startDialogs();
startChannel((isSealed) => {
  notify(isSealed ? "Sealed: only this server can read what you send." : "Plain requests again.");
  again();
});
await attempt(resume);
const again = follow(show, tellState);
startEditing((id) => present.trips.find((trip) => trip.id === id));
startMoments(() => present.moments, look, undo);
await startAccount();
