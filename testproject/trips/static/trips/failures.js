// What to tell people when something fails.

import { KontractError } from "./api.js";
import { notify } from "./notices.js";

const WORDS = {
  constraint_violated: "Something that came later builds on this. Take that back first.",
  undo_conflict: "Something that came later builds on this. Take that back first.",
  invalid_credentials: "There is no account with this e-mail and password.",
  account_exists: "There is an account with this e-mail already. Sign in to it.",
  network_error: "The server cannot be reached.",
};

/** Returns what to tell people of a failure. What is no failure of a call is a mistake of this page. */
export function explain(error) {
  if (!(error instanceof KontractError)) throw error;
  const [first] = error.problem?.errors ?? [];
  return WORDS[error.code] ?? first?.message ?? error.detail;
}

/** Runs what may fail, and tells people if it does. */
export async function attempt(run) {
  try {
    await run();
  } catch (error) {
    notify(explain(error), "failure");
  }
}
