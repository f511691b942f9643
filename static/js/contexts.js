/* A click anywhere on a context's line opens it; an opened line fetches the whole context once. */
{
  document.addEventListener("click", (event) => {
    const text = event.target.closest(".line > p");
    if (!text || String(getSelection())) return;
    const more = text.parentElement.querySelector(":scope > details");
    more.open = !more.open;
  });

  document.addEventListener("toggle", (event) => {
    const more = event.target;
    const link = more.matches?.(".line > details[open]") && more.querySelector(":scope > p > a");
    if (!link || !window.htmx) return;
    const address = new URL(link.href);
    address.pathname += "/text";
    htmx.ajax("GET", address.href, { target: link.parentElement, swap: "outerHTML" });
  }, true);
}
