// What others do.

import { batch, listMoments, listTrips } from "./api.js";

const PAUSE = 2000; // milliseconds

/** Tells `listener` the present, now and whenever it changes, and `tellState` whether it can. */
export function follow(listener, tellState) {
  let timer;
  const ask = async () => {
    clearTimeout(timer);
    try {
      const [trips, moments] = await batch((b) => [listTrips({}, b), listMoments({}, b)]);
      tellState("live");
      listener({ trips: trips.value, moments: moments.value });
    } catch {
      tellState("lost");
    }
    timer = setTimeout(ask, PAUSE);
  };
  void ask();
  return ask;
}
