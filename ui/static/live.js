// Keeps the numbers fresh: fetches the page now and then and exchanges the parts
// that say how things stand: the larger first, and of one that somebody uses, what
// lies in it. Without it, everything works; it only stands still.
"use strict";

const every = 5000; // milliseconds

async function renew() {
  if (document.hidden) return;
  try {
    // Only the range of location.href: what that asks to be explained is asked of upstreams each time.
    const range = new URLSearchParams(location.search).get("range");
    const answer = await fetch(location.pathname + (range ? "?range=" + encodeURIComponent(range) : ""), { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      for (const inner of next?.querySelectorAll("details") ?? []) {
        const shown = document.getElementById(inner.id);
        if (shown) inner.open = shown.open;
      }
      // A part in which somebody is about to press something stays as it is.
      if (next && next.outerHTML !== part.outerHTML && !part.contains(document.activeElement)) part.replaceWith(next);
    }
  } catch {
    // The server is away; the next time may be better.
  }
}

if (document.querySelector("[data-live]")) setInterval(renew, every);
