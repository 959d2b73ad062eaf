// The list of procedures beside each page, and the search in it.
(() => {
  "use strict";
  const root = document.documentElement.dataset.root ?? "";
  const current = document.documentElement.dataset.name;
  const procedures = window.kontractProcedures ?? [];
  const list = document.querySelector("#procedures");
  const input = document.querySelector("#search");
  const found = document.querySelector("#found");
  const menu = document.querySelector("button.menu");

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function makeLink(procedure, ...more) {
    const link = make("a", { href: `${root}procedures/${procedure.name}.html` });
    link.append(make("span", { className: `dot ${procedure.kind}`, title: procedure.kind_text }), ...more);
    if (procedure.name === current) link.setAttribute("aria-current", "page");
    return link;
  }

  /** Returns a name that may be broken at its underscores. */
  function breakable(name) {
    return name.split(/(?<=_)/).flatMap((part, n) => (n ? [make("wbr"), part] : [part]));
  }

  /** Shows all procedures by endpoint group. */
  function showAll() {
    const groups = Map.groupBy ? Map.groupBy(procedures, (one) => one.group) : groupBy(procedures);
    const sections = [...groups].map(([name, members]) => {
      const items = members.map((one) => make("li", {}, makeLink(one, make("span", {}, ...breakable(one.name)))));
      return make("section", {}, make("h2", {}, name), make("ul", {}, ...items));
    });
    list.replaceChildren(...sections);
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    found.textContent = "";
  }

  function groupBy(all) {
    const groups = new Map();
    for (const one of all) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
    return groups;
  }

  /** Returns how well a procedure fits all words; 0 where one is missing.  A name counts more than what is said of it. */
  function rate(procedure, words) {
    let sum = 0;
    for (const word of words) {
      const name = procedure.name.toLowerCase();
      if (name === word) sum += 100;
      else if (name.startsWith(word)) sum += 50;
      else if (name.includes(word)) sum += 20;
      else if (procedure.group.toLowerCase().includes(word)) sum += 10;
      else if (procedure.summary.toLowerCase().includes(word)) sum += 5;
      else if (procedure.text.toLowerCase().includes(word)) sum += 1;
      else return 0;
    }
    return sum;
  }

  /** Returns a text in which the first of the words is marked. */
  function mark(text, words) {
    const lower = text.toLowerCase();
    const word = words.find((one) => lower.includes(one));
    if (!word || lower.length !== text.length) return [text];
    const start = lower.indexOf(word);
    const end = start + word.length;
    return [text.slice(0, start), make("mark", {}, text.slice(start, end)), text.slice(end)];
  }

  function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return showAll();
    const rated = procedures.map((one) => [rate(one, words), one]).filter(([points]) => points > 0);
    rated.sort(([a], [b]) => b - a);
    const items = rated.slice(0, 50).map(([, one]) => {
      const name = make("span", {}, ...mark(one.name, words));
      const summary = make("span", { className: "summary" }, ...mark(one.summary, words));
      return make("li", {}, makeLink(one, make("span", { className: "result" }, name, summary)));
    });
    const nothing = make("p", { className: "nothing" }, "Nothing found.");
    list.replaceChildren(items.length ? make("ul", { className: "results" }, ...items) : nothing);
    found.textContent = rated.length === 1 ? "1 procedure found" : `${rated.length} procedures found`;
  }

  function open(isOpen) {
    document.body.classList.toggle("menu-open", isOpen);
    menu.setAttribute("aria-expanded", String(isOpen));
  }

  function isTyping(target) {
    return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
  }

  /** Goes up and down in what was found. */
  function move(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [input, ...list.querySelectorAll("a")];
    const next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }

  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && input.value.trim()) list.querySelector("a")?.click();
    if (event.key === "Escape") {
      input.value = "";
      showAll();
    }
  });
  document.querySelector("#navigation").addEventListener("keydown", move);
  menu.addEventListener("click", () => {
    open(!document.body.classList.contains("menu-open"));
    if (document.body.classList.contains("menu-open")) input.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("menu-open")) {
      open(false);
      menu.focus();
    }
    const isShortcut = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !isTyping(event.target));
    if (isShortcut) {
      event.preventDefault();
      open(true);
      input.focus();
      input.select();
    }
  });
  document.querySelector("#content").addEventListener("click", () => open(false));
  showAll();
})();
