/* The value of a firing token, beside it, on hover and on focus. Without this, `title` says the same. */
{
  let tip = null;
  let owner = null;

  const bubble = () => {
    if (tip && tip.isConnected) return tip;
    tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    tip.setAttribute("aria-hidden", "true");
    document.body.append(tip);
    return tip;
  };
  const hide = () => {
    if (!owner) return;
    owner.title = owner.dataset.tip;
    owner = null;
    bubble().hidden = true;
  };
  const place = (element) => {
    const box = element.getBoundingClientRect();
    const here = bubble().getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - here.width - 8));
    const above = box.top - here.height - 6;
    const top = above > 4 ? above : box.bottom + 6;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${top + scrollY}px`;
  };
  const show = (element) => {
    if (element === owner) return;
    hide();
    owner = element;
    owner.dataset.tip = owner.title;
    owner.removeAttribute("title");
    owner.setAttribute("aria-description", owner.dataset.tip);
    bubble().textContent = owner.dataset.tip;
    tip.hidden = false;
    place(owner);
  };

  const token = (event) => event.target.closest?.("mark[data-level]");
  for (const [on, off] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    document.addEventListener(on, (event) => { if (token(event)) show(token(event)); });
    document.addEventListener(off, (event) => { if (token(event)) hide(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
