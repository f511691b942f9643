/* Live text: several tokens by Shift or by dragging, a slider that acts at once, Ctrl and Enter to read. */
{
  const place = (token) => token.value.split(":").map((part) => parseInt(part, 10));
  const tokenAt = (event) => event.target.closest?.(".gloss__token");
  let pressed = null;

  const choose = (token, from) => {
    const [text, at] = place(token);
    if (place(from)[0] !== text) return false;
    const ends = [place(from)[1], at].sort((a, b) => a - b);
    const own = token.value;
    token.value = `${text}:${ends.join("-")}`;
    token.click();
    token.value = own;
    return true;
  };

  document.addEventListener("pointerdown", (event) => { pressed = event.button === 0 ? tokenAt(event) : null; });
  document.addEventListener("pointerup", (event) => {
    const token = tokenAt(event);
    if (token && pressed && token !== pressed) choose(token, pressed);
    pressed = null;
  });
  document.addEventListener("click", (event) => {
    const token = event.shiftKey && event.isTrusted && tokenAt(event);
    const first = token && document.querySelector(`.gloss[data-side="${place(token)[0]}"] .gloss__token[aria-pressed]`);
    if (first && choose(token, first)) event.preventDefault();
  });

  document.addEventListener("input", (event) => {
    const slider = event.target;
    if (!slider.matches("[data-live-slider]")) return;
    const words = slider.dataset.words.split("|")[slider.value];
    slider.parentElement.querySelector("output").textContent = words;
    slider.setAttribute("aria-valuetext", words);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-live-slider]")) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest("#live-form");
    if (form) form.requestSubmit(form.querySelector(".live-form__go"));
  });
}
