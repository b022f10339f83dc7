// Shows blocked queries as they come, the newest first, while the page is looked at.
// The words are in the page.
"use strict";

{
  const most = 200; // rows
  const words = document.getElementById("tailwords").dataset;
  const state = document.getElementById("tailstate");
  const table = document.getElementById("tail");
  const rows = table.tBodies[0];
  const button = document.getElementById("tailstop");
  const base = new URL("..", document.currentScript.src);
  let source = null;
  let held = false;

  function cell(row, kind, ...texts) {
    const c = row.appendChild(document.createElement(kind));
    texts.filter(Boolean).forEach((text, i) => {
      const part = c.appendChild(document.createElement("span"));
      part.textContent = text;
      if (i > 0) part.className = "source";
    });
    return c;
  }

  function show(sight) {
    const fresh = document.createDocumentFragment();
    for (const seen of sight.seen) {
      const row = fresh.appendChild(document.createElement("tr"));
      cell(row, "td", new Date(seen.time).toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" }));
      const name = cell(row, "th", seen.name, seen.type, seen.behind && words.behind + ": " + seen.behind);
      name.scope = "row";
      cell(row, "td", seen.owner, seen.category.replaceAll("_", " "));
      cell(row, "td", seen.list, seen.reason === "name" ? "" : seen.reason);
      cell(row, "td", seen.client, seen.group);
    }
    rows.prepend(fresh);
    while (rows.rows.length > most) rows.lastElementChild.remove();
    table.hidden = false;
    state.textContent = words.watching + (sight.missed ? " (" + words.missed.replace("{n}", sight.missed) + ")" : "");
  }

  function watch() {
    const wanted = !held && !document.hidden;
    if (wanted === Boolean(source)) return;
    if (!wanted) {
      source.close();
      source = null;
      if (held) state.textContent = words.held;
      return;
    }
    source = new EventSource(new URL("api/v1/blocked", base));
    source.onopen = () => { state.textContent = rows.rows.length ? words.watching : words.waiting; };
    source.onerror = () => { state.textContent = words.lost; };
    source.addEventListener("blocked", (event) => show(JSON.parse(event.data)));
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    held = !held;
    button.textContent = held ? words.go : words.hold;
    watch();
  });
  document.addEventListener("visibilitychange", watch);
  watch();
}
