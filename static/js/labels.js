/* An open feature page hears what others do to its labels, and who else looks at it; a hidden one lets go. */
{
  let source = null;
  let seen = 0;

  const section = () => document.querySelector("[data-label-events]");
  const entries = () => document.getElementById("label-entries");

  const refresh = () => {
    htmx.ajax("GET", section().dataset.labelPart, { target: "#label-entries", select: "#label-entries", swap: "outerHTML" });
  };
  const tell = (names) => {
    const place = document.querySelector("[data-onlookers]");
    place.hidden = names.length === 0;
    const all = new Intl.ListFormat("en").format(names);
    place.textContent = `${all} ${names.length === 1 ? "is" : "are"} looking at this feature`;
  };
  const open = () => {
    if (source || document.hidden || !section() || !window.htmx) return;
    seen = Math.max(seen, Number(entries().dataset.change));
    source = new EventSource(`${section().dataset.labelEvents}?after=${seen}`);
    source.addEventListener("labels", (event) => {
      seen = Number(event.lastEventId);
      refresh();
    });
    source.addEventListener("presence", (event) => tell(JSON.parse(event.data).names));
  };
  const close = () => {
    source?.close();
    source = null;
  };

  document.addEventListener("DOMContentLoaded", open);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  document.addEventListener("htmx:afterSwap", () => {
    const title = document.querySelector("[data-label-title]");
    if (title && entries()) title.textContent = entries().dataset.title;
  });
}
