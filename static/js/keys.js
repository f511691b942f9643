/* Keys: j k or arrows step, r goes anywhere, / filters, ? explains. Links carry data-key. */
{
  const NAMES = { ArrowRight: "j", ArrowLeft: "k" };
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable], [popover]:popover-open");
  const isScrolling = (event) => event.key.startsWith("Arrow") && event.target.closest(".scroll, mark");

  const actions = {
    "/": () => document.querySelector("[data-filter]"),
    "?": () => document.getElementById("help"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isScrolling(event)) return;
    const key = NAMES[event.key] ?? event.key;
    if (key in actions) {
      const element = actions[key]();
      if (!element) return;
      event.preventDefault();
      if (key === "?") element.togglePopover();
      else element.focus();
      return;
    }
    const link = document.querySelector(`a[data-key="${CSS.escape(key)}"]`);
    if (!link) return;
    event.preventDefault();
    link.click();
  });
}
