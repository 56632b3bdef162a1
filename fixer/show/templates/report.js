"use strict";
(() => {
  const root = document.documentElement;
  const id = (name) => document.getElementById(name);
  const cards = [...document.querySelectorAll(".card[data-text]")];
  const sections = [...document.querySelectorAll(".file")];
  const filter = id("filter"), tier = id("tier"), count = id("count");
  const view = id("view"), theme = id("theme"), fold = id("fold");
  for (const card of cards) card.words = card.dataset.text.toLowerCase();
  const visible = () => cards.filter((card) => !card.hidden);

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      card.hidden = !words.every((word) => card.words.includes(word)) ||
        (tier.value !== "" && !card.dataset.tier.split(" ").includes(tier.value));
    }
    for (const section of sections) section.hidden = !section.querySelector(".card:not([hidden])");
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
  const foldAll = () => {
    const close = cards.some((card) => card.open);
    for (const card of cards) if ("open" in card) card.open = !close;
    fold.textContent = close ? "Unfold all" : "Fold all";
  };
  const handle = (card) => card.querySelector("summary") || card;
  const go = (step) => {
    const shown = visible();
    if (!shown.length) return;
    const here = document.activeElement.closest(".card");
    let at = shown.indexOf(here);
    at = at < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.min(Math.max(at + step, 0), shown.length - 1);
    handle(shown[at]).focus({ preventScroll: true });
    shown[at].scrollIntoView({ block: "start" });
  };
  const keys = {
    j: () => go(1), k: () => go(-1), u: split, t: next, x: foldAll,
    "/": () => { filter.focus(); filter.select(); },
  };

  filter.addEventListener("input", show);
  tier.addEventListener("change", show);
  view.addEventListener("click", split);
  theme.addEventListener("click", next);
  fold.addEventListener("click", foldAll);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.filter) filter.value = button.dataset.filter;
    if (button.dataset.tier) tier.value = button.dataset.tier;
    if (button.dataset.filter || button.dataset.tier) { show(); visible()[0]?.scrollIntoView({ block: "start" }); }
    if (button.dataset.copy) {
      const text = id(button.dataset.copy);
      getSelection().selectAllChildren(text);
      const done = () => { button.textContent = "Copied"; };
      if (navigator.clipboard) navigator.clipboard.writeText(text.textContent).then(done, () => {});
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { filter.value = ""; tier.value = ""; show(); filter.blur(); return; }
    if (event.target.closest("input, select, textarea")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  if (matchMedia("(min-width: 80rem)").matches) split();
})();
