"use strict";
(() => {
  const root = document.documentElement;
  const id = (name) => document.getElementById(name);
  const filter = id("filter"), kind = id("kind"), theme = id("theme"), count = id("count");
  const entries = [...document.querySelectorAll("[data-text]")];
  const cards = entries.filter((entry) => entry.classList.contains("card"));
  for (const entry of entries) entry.words = entry.dataset.text.toLowerCase();
  root.classList.add("scripted");

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) {
      const kinds = entry.dataset.kind;
      entry.hidden = !words.every((word) => entry.words.includes(word)) ||
        (kinds !== undefined && kind.value !== "" && !kinds.split(" ").includes(kind.value));
    }
    const shown = cards.filter((card) => !card.hidden).length;
    count.textContent = shown === cards.length ? "" : `${shown} of ${cards.length}`;
  };
  const themes = ["auto", "light", "dark"];
  theme.addEventListener("click", () => {
    const name = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
  });
  filter.addEventListener("input", show);
  kind.addEventListener("change", show);
  show();
})();
