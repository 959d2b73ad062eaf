// What others do.

import { KontractError, showBoard, watchTrips } from "./api.js";

const PAUSE = 1000; // milliseconds

/**
 * Tells `listener` the present, now and after each change, and `tellState` whether that works. Returns a function that
 * begins anew: for somebody else, or by another way.
 */
export function follow(listener, tellState) {
  let controller = new AbortController();
  void watch(listener, tellState, controller.signal);
  return () => {
    controller.abort();
    controller = new AbortController();
    void watch(listener, tellState, controller.signal);
  };
}

async function watch(listener, tellState, signal) {
  while (!signal.aborted) {
    try {
      let seen = await ask(listener, signal);
      tellState("live");
      // From the position of the answer on, so that nothing is missed between the two.
      for await (const txid of watchTrips({ after: seen }, { signal })) {
        if (txid > seen) seen = await ask(listener, signal);
      }
    } catch (error) {
      if (!(error instanceof KontractError)) throw error;
      if (signal.aborted) return;
      tellState("lost");
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** Returns the position that the answer is of. */
async function ask(listener, signal) {
  let position = 0;
  const onResponse = ({ txid }) => (position = txid);
  const board = await showBoard({}, { signal, onResponse });
  if (!signal.aborted) listener(board);
  return position;
}
