// Light or dark as the system says, until the reader chooses.  Loaded before anything is painted.
(() => {
  "use strict";
  const KEY = "kontract-docs-theme";

  /** Returns what was chosen; null where nothing was, or where the browser keeps nothing for this page. */
  function read() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It holds for this page alone.
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  }

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  apply(read());
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("button.theme")) return;
    const theme = isDark() ? "light" : "dark";
    apply(theme);
    keep(theme);
  });
})();
