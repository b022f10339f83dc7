// Keeps the numbers fresh: fetches the page now and then and exchanges the parts
// that say how things stand. Without it, everything works; it only stands still.
"use strict";

const every = 5000; // milliseconds

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      // A part in which somebody is about to press something stays as it is.
      if (next && next.outerHTML !== part.outerHTML && !part.contains(document.activeElement)) part.replaceWith(next);
    }
  } catch {
    // The server is away; the next time may be better.
  }
}

if (document.querySelector("[data-live]")) setInterval(renew, every);
