/* Text comes token by token: the form is sent by fetch, and its events fill the page. Without this, the answer comes whole. */
{
  let running = null;

  const events = async function* (body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const [name, data] = block.split("\n").map((line) => line.slice(line.indexOf(": ") + 2));
        yield [name, JSON.parse(data)];
      }
    }
  };
  const append = (place, token) => {
    if (!token) return;
    const span = document.createElement("span");
    span.className = token.is_special ? "written__token special" : "written__token";
    span.textContent = token.text;
    place.append(span);
  };
  const show = (answer, name, data) => {
    if (name === "prompt") {
      answer.replaceChildren(document.getElementById("writing").content.cloneNode(true));
      for (const prompt of answer.querySelectorAll(".written__prompt")) prompt.textContent = data.text;
    } else if (name === "token") {
      for (const place of answer.querySelectorAll("[data-side]")) append(place, data[place.dataset.side]);
    } else if (name === "html") {
      answer.innerHTML = data.html;
      if (data.permalink) history.replaceState(null, "", data.permalink);
    }
  };
  const run = async (form) => {
    const answer = document.getElementById("answer");
    const stop = form.querySelector("[data-stop]");
    const state = form.querySelector("[data-state]");
    running?.abort();
    const mine = (running = new AbortController());
    stop.hidden = false;
    state.textContent = "Writing …";
    try {
      const options = { method: "POST", body: new URLSearchParams(new FormData(form)), signal: mine.signal };
      const response = await fetch(form.dataset.stream, options);
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) throw new TypeError(response.statusText);
      for await (const [name, data] of events(response.body)) show(answer, name, data);
      state.textContent = "";
    } catch (error) {
      state.textContent = mine.signal.aborted ? "Stopped." : "";
      if (!mine.signal.aborted) answer.replaceChildren(document.getElementById("lost").content.cloneNode(true));
    }
    if (running === mine) stop.hidden = true;
  };

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-stream]");
    if (!form || !window.TextDecoderStream) return;
    event.preventDefault();
    run(form);
  });
  document.addEventListener("input", (event) => {
    const row = event.target.name === "feature" && event.target.closest(".steer__row:last-of-type");
    if (!row || !event.target.value) return;
    const more = row.cloneNode(true);
    more.querySelector("input[name=feature]").value = "";
    row.after(more);
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-stop]")) running?.abort(); });
}
