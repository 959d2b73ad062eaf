// What others do.

import { configure, live, showBoard } from "./api.js";
import { followCountries } from "./editing.js";

/**
 * Tells `listener` the present, now and after each change, and `tellState` whether that works: "live" or "lost". What
 * was lost is found again without help, and so is who signs in or out. Returns a function that begins anew, for when
 * requests go another way.
 */
export function follow(listener, tellState) {
  configure({ fetch: (address, options) => send(address, options, tellState) });
  let end = begin(listener, tellState);
  return () => {
    end();
    end = begin(listener, tellState);
  };
}

/** Follows until the function that this returns is called. Both go through one stream, whose opening both share. */
function begin(listener, tellState) {
  const followed = [live(showBoard, {}, listener), followCountries(() => tellState("live"))];
  return () => followed.forEach((each) => each.close());
}

/** Sends a request, the stream's own among them; one that nobody answers is how a page learns that it is alone. */
async function send(address, options, tellState) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error instanceof TypeError) tellState("lost");
    throw error;
  }
}
