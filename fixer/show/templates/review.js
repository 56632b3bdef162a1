(() => {
  const form = document.querySelector("meta[name='fhfix-form']").content;
  const id = (name) => document.getElementById(name);
  const result = id("result"), said = id("also");
  let asked = 0;

  const ask = async (what, given = {}) => {
    const response = await fetch(`/${what}`, {
      method: "POST", headers: { "Content-Type": "application/json", "X-Fhfix-Form": form }, body: JSON.stringify(given),
    });
    const found = await response.json().catch(() => ({ error: response.statusText }));
    if (found.error) throw new Error(found.error);
    return found;
  };
  const working = async (button, work) => {
    button.disabled = true;
    try { await work(); } catch (error) { said.textContent = error.message; } finally { button.disabled = false; }
  };
  const update = async () => {
    if (result.hidden) return;
    const mine = ++asked;
    result.setAttribute("aria-busy", "true");
    try {
      const found = await ask("result", { names: window.fhfix.names() });
      // Answers may come in another order than the questions.
      if (mine !== asked) return;
      const unmet = found.unmet.length ? `; ${found.unmet.length} would need another that is not ticked` : "";
      result.innerHTML = found.html;
      said.textContent = found.said + unmet;
    } catch (error) {
      said.textContent = error.message;
    }
    result.removeAttribute("aria-busy");
  };
  let later = 0;
  document.addEventListener("chosen", () => { clearTimeout(later); later = setTimeout(update, 250); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "show-result") {
      result.hidden = !result.hidden;
      button.textContent = result.hidden ? "Show the result" : "Hide the result";
      if (!result.hidden) result.scrollIntoView({ block: "start" });
      update();
    }
    const reload = (found) => { sessionStorage.setItem("said", found.said); location.reload(); };
    if (button.id === "apply") working(button, async () => reload(await ask("apply", { names: window.fhfix.names() })));
    if (button.id === "undo") working(button, async () => reload(await ask("undo")));
    if (button.dataset.open) {
      working(button, async () => {
        said.textContent = (await ask("open", { path: button.dataset.open, line: Number(button.dataset.line) })).said;
      });
    }
  });
  said.textContent = sessionStorage.getItem("said") || "";
  sessionStorage.removeItem("said");
  new EventSource("/watch");
})();
