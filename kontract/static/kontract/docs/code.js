// Blocks of code: colours, a button that copies, and tabs where there are several of the same.
(() => {
  "use strict";
  const KEY = "kontract-docs-language";
  // What is coloured: comments, texts, numbers, words of the language.
  const TOKENS =
    /(?<comment>(?<![\w"'])#[^\n]*|\/\/[^\n"']*$)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<number>(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?n?\b)|(?<word>\b(?:import|from|const|let|for|await|async|of|in|with|as|new|print|true|false|null|True|False|None|curl)\b)/gm;

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  /** Returns a text as pieces of which some are coloured.  In JSON a name is told from a text by what follows it. */
  function colour(text, language) {
    const pieces = [];
    let end = 0;
    for (const match of text.matchAll(TOKENS)) {
      let [kind] = Object.entries(match.groups).find(([, value]) => value !== undefined);
      if (kind === "comment" && language === "json") continue;
      if (kind === "string" && language === "json" && /^\s*:/.test(text.slice(match.index + match[0].length))) kind = "name";
      pieces.push(text.slice(end, match.index), make("span", { className: `token-${kind}` }, match[0]));
      end = match.index + match[0].length;
    }
    return [...pieces, text.slice(end)];
  }

  /** Shows another text in a block of code. */
  function write(block, text) {
    const code = block.querySelector("code");
    if (text.length > 100_000) code.textContent = text;
    else code.replaceChildren(...colour(text, block.dataset.language));
  }

  async function copy(button, block) {
    try {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
      getSelection()?.selectAllChildren(block);
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  /** Colours a block and gives it a button. */
  function dress(block) {
    write(block, block.querySelector("code").textContent);
    const button = make("button", { type: "button", className: "copy" }, "Copy");
    button.addEventListener("click", () => void copy(button, block));
    const frame = make("div", { className: "code-frame" });
    block.replaceWith(frame);
    frame.append(block, button);
  }

  function recall() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function remember(title) {
    try {
      localStorage.setItem(KEY, title);
    } catch {
      // The next page begins with the first language.
    }
  }

  /** Makes tabs of sections, see https://www.w3.org/WAI/ARIA/apg/patterns/tabs/. */
  function makeTabs(container) {
    const panels = [...container.querySelectorAll(":scope > .tab")];
    const tabs = panels.map((panel) => {
      const tab = make("button", { type: "button", id: `${panel.id}-tab` }, panel.dataset.title);
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      panel.querySelector("h3")?.remove();
      return tab;
    });
    const choose = (chosen) => {
      tabs.forEach((tab, n) => {
        tab.setAttribute("aria-selected", String(n === chosen));
        tab.tabIndex = n === chosen ? 0 : -1;
        panels[n].hidden = n !== chosen;
      });
    };
    const row = make("div", { className: "tablist" }, ...tabs);
    row.setAttribute("role", "tablist");
    row.setAttribute("aria-label", container.dataset.label);
    tabs.forEach((tab, n) =>
      tab.addEventListener("click", () => {
        choose(n);
        remember(panels[n].dataset.title);
      }),
    );
    row.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
      tabs[next].focus();
      tabs[next].click();
    });
    container.prepend(row);
    choose(Math.max(0, panels.findIndex((panel) => panel.dataset.title === recall())));
  }

  for (const block of document.querySelectorAll(".prose pre")) {
    block.classList.add("code");
    block.tabIndex = 0;
    block.dataset.language = /language-(\w+)/.exec(block.firstElementChild?.className ?? "")?.[1] ?? "";
  }
  document.querySelectorAll("pre.code").forEach(dress);
  document.querySelectorAll(".tabs").forEach(makeTabs);
  window.kontractCode = { dress, write };
})();
