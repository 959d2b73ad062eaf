// What has just happened, shown for a while, and read out by screen readers.

import { find } from "./dom.js";

const SHOWN = 6000; // milliseconds

export function notify(text, kind = "news") {
  const notice = document.createElement("p");
  notice.className = kind;
  notice.textContent = text;
  find("#notices").append(notice);
  setTimeout(() => notice.remove(), SHOWN);
}
