// Keys press the buttons that carry them; without this file everything works by mouse and by Tab.
(() => {
  let sent = false;
  addEventListener("pageshow", () => { sent = false; });
  addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("keydown", (event) => {
    const inside = event.target.closest("input, textarea, select");
    if (event.key === "Escape" && inside) inside.blur();
    if (inside || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!target || sent) return;
    event.preventDefault();
    for (let up = target.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
    if (target.matches("input, textarea")) target.focus();
    else target.click();
  });
})();
