"use strict";
(() => {
  const root = document.documentElement;
  const id = (name) => document.getElementById(name);
  const all = (selector, below = document) => [...below.querySelectorAll(selector)];
  root.classList.add("scripted");

  // -- what is shown -------------------------------------------------------------------------------------------------

  const cards = all(".card[data-text]");
  const filter = id("filter"), kind = id("kind"), count = id("count");
  const view = id("view"), theme = id("theme"), fold = id("fold");
  for (const card of cards) card.words = card.dataset.text.toLowerCase();
  const visible = () => cards.filter((card) => !card.hidden);
  const entries = all("[data-for]");

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      card.hidden = !words.every((word) => card.words.includes(word)) ||
        (kind.value !== "" && !card.dataset.kind.split(" ").includes(kind.value));
    }
    for (const entry of entries) entry.hidden = id(entry.dataset.for).hidden;
    for (const chip of all(".chip")) chip.setAttribute("aria-pressed", String(chip.dataset.kind === kind.value));
    const shown = visible().length;
    count.textContent = shown === cards.length ? "" : `${shown} of ${cards.length}`;
  };
  const split = () => {
    const on = document.body.classList.toggle("split");
    view.setAttribute("aria-pressed", String(on));
  };
  const themes = ["auto", "light", "dark"];
  const next = () => {
    const name = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
  };
  const folds = all(".card > .fold");
  const foldAll = () => {
    const close = folds.some((card) => card.open);
    for (const each of folds) each.open = !close;
    fold.textContent = close ? "Unfold all" : "Fold all";
  };
  const handle = (card) => card.querySelector("summary") || card.querySelector("h3");
  const go = (step) => {
    const shown = visible();
    if (!shown.length) return;
    const here = document.activeElement.closest(".card");
    let at = shown.indexOf(here);
    at = at < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.min(Math.max(at + step, 0), shown.length - 1);
    handle(shown[at]).focus({ preventScroll: true });
    shown[at].scrollIntoView({ block: "start" });
  };

  // -- what is ticked ------------------------------------------------------------------------------------------------

  const choice = document.querySelector(".choice");
  const ticks = new Map(all(".tick.one").map((box) => [box.dataset.id, box]));
  const together = new Map([...ticks].map(([name, box]) => [name, box.dataset.with.split(" ").filter((n) => ticks.has(n))]));
  const dependents = new Map([...ticks.keys()].map((name) => [name, []]));
  for (const [name, others] of together) for (const other of others) dependents.get(other).push(name);
  const groups = all(".card[data-group]").map((card) => ({
    card, id: card.dataset.group, all: card.querySelector(".tick.all"), boxes: all(".tick.one", card),
  }));

  const reach = (names, links) => {
    const found = new Set(names);
    for (const name of found) for (const other of links.get(name)) found.add(other);
    return found;
  };
  const set = (names, on) => {
    const found = reach(names, on ? together : dependents);
    const wanted = new Set(names);
    const more = [...found].filter((name) => !wanted.has(name) && ticks.get(name).checked !== on).length;
    for (const name of found) ticks.get(name).checked = on;
    id("also").textContent = more ? `${on ? "also ticked" : "also unticked"}: ${more} that ${more === 1 ? "goes" : "go"} with it` : "";
    chosen();
  };
  const only = (wanted) => {
    for (const box of ticks.values()) box.checked = false;
    set(groups.filter((group) => wanted(group.card.dataset.kind.split(" "))).flatMap((group) => group.boxes.map((box) => box.dataset.id)), true);
  };
  const names = () => groups.flatMap(({ id: name, boxes }) => {
    const on = boxes.filter((box) => box.checked);
    if (on.length === boxes.length && boxes.length > 1) return [name];
    return on.map((box) => box.dataset.id);
  });
  const selection = () => {
    const title = (group) => group.card.querySelector(".title").textContent;
    const lines = groups.flatMap((group) => {
      const on = group.boxes.filter((box) => box.checked);
      if (on.length === group.boxes.length && on.length > 1) return [`${group.id}  # ${title(group)}: ${on.length} places`];
      return on.map((box) => `${box.dataset.id}  # ${title(group)}`);
    });
    return `# For ${choice.dataset.apply} --selection FILE\n${lines.join("\n")}\n`;
  };
  const chosen = () => {
    let ticked = 0;
    for (const group of groups) {
      const on = group.boxes.filter((box) => box.checked).length;
      ticked += on;
      group.card.classList.toggle("off", on === 0);
      if (!group.all) continue;
      group.all.checked = on === group.boxes.length;
      group.all.indeterminate = on > 0 && on < group.boxes.length;
    }
    for (const entry of entries) entry.classList.toggle("off", id(entry.dataset.for).classList.contains("off"));
    id("ticked").textContent = `${ticked} of ${ticks.size}`;
    const every = ticked === ticks.size;
    id("command").textContent = ticked === 0 ? "nothing is ticked"
      : every ? choice.dataset.apply : `${choice.dataset.apply} --only ${names().join(",")}`;
    document.dispatchEvent(new CustomEvent("chosen"));
  };
  const tick = () => {
    const card = document.activeElement.closest(".card[data-group]");
    if (card) card.querySelector(".tick").click();
  };
  if (choice) {
    window.fhfix = { names };
    document.addEventListener("change", (event) => {
      const box = event.target;
      if (box.matches(".tick.one")) set([box.dataset.id], box.checked);
      if (box.matches(".tick.all")) {
        const group = groups.find((each) => each.all === box);
        set(group.boxes.map((each) => each.dataset.id), box.checked);
      }
    });
    chosen();
  }

  // -- mouse and keys ------------------------------------------------------------------------------------------------

  const copied = (button, text) => {
    const was = button.textContent;
    const done = () => { button.textContent = "Copied"; setTimeout(() => { button.textContent = was; }, 1500); };
    const byHand = () => {
      // A file that is opened from disk may not use the clipboard in every browser.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "hidden";
      document.body.append(area);
      area.select();
      if (document.execCommand("copy")) done();
      area.remove();
      button.focus();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, byHand); else byHand();
  };
  const keys = {
    j: () => go(1), k: () => go(-1), u: split, t: next, x: foldAll, c: tick,
    "/": () => { filter.focus(); filter.select(); },
  };
  filter.addEventListener("input", show);
  kind.addEventListener("change", show);
  view.addEventListener("click", split);
  theme.addEventListener("click", next);
  fold.addEventListener("click", foldAll);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const target = link && id(link.getAttribute("href").slice(1));
    if (target && target.hidden) { filter.value = ""; kind.value = ""; show(); }
    if (target && target.querySelector(".fold")) target.querySelector(".fold").open = true;
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.filter) filter.value = filter.value === button.dataset.filter ? "" : button.dataset.filter;
    if (button.dataset.kind) kind.value = kind.value === button.dataset.kind ? "" : button.dataset.kind;
    if (button.dataset.filter || button.dataset.kind) { show(); visible()[0]?.scrollIntoView({ block: "start" }); }
    if (button.dataset.tick) {
      const which = button.dataset.tick;
      only((kinds) => which === "all" || kinds.includes(which));
    }
    if (button.dataset.copy) copied(button, id(button.dataset.copy).textContent);
    if (button.id === "copy-selection") copied(button, selection());
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { filter.value = ""; kind.value = ""; show(); filter.blur(); return; }
    if (event.target.closest("input[type=search], select, textarea")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  if (matchMedia("(max-width: 64rem)").matches) id("contents").open = false;
  if (matchMedia("(min-width: 80rem)").matches) split();
})();
