// The switch between plain requests and the encrypted channel.

import { configure } from "./api.js";
import { find } from "./dom.js";

const KEY = "sealed";

/** Shows the switch; `onSwitch` is told when requests go another way. */
export function startChannel(onSwitch) {
  const button = find("#channel");
  const set = (isSealed) => {
    configure({ raystream: isSealed });
    button.setAttribute("aria-checked", String(isSealed));
    sessionStorage.setItem(KEY, isSealed ? "1" : "");
  };
  set(sessionStorage.getItem(KEY) === "1");
  button.addEventListener("click", () => {
    const isSealed = button.getAttribute("aria-checked") !== "true";
    set(isSealed);
    onSwitch(isSealed);
  });
}
