// Keeps the page fresh: when the server says that something has changed, fetches the
// page and exchanges the parts that say how things stand: the larger first, and of one
// that somebody uses, what lies in it. Without it, everything works; it only stands still.
"use strict";

{
  const slow = 10000; // milliseconds between looks where there are no events
  const base = new URL("..", document.currentScript.src);
  let source = null;
  let timer = 0;
  let waiting = false;

  async function renew() {
    try {
      const page = new URL(location.href);
      page.searchParams.delete("resolve"); // upstreams would be asked each time
      const answer = await fetch(page, { headers: { Accept: "text/html" } });
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
    wait();
  }

  // A part that is not ready says what to ask for: the answer comes when it is, or when
  // that is still to be waited for (202).
  async function wait() {
    if (waiting) return;
    waiting = true;
    try {
      for (let part; (part = document.querySelector("[data-await]")); ) {
        const answer = await fetch(new URL(part.dataset.await, base));
        if (answer.status === 202) continue;
        if (answer.ok) await renew();
        if (part.isConnected) break; // it is no use, or somebody uses it: there is a link to look again
      }
    } catch {
      // The server is away.
    }
    waiting = false;
  }

  // Nobody looks at a hidden page, so it holds no connection.
  function watch() {
    source?.close();
    source = null;
    clearInterval(timer);
    if (document.hidden) return;
    source = new EventSource(new URL("api/v1/events", base));
    source.addEventListener("change", renew);
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      clearInterval(timer);
      timer = setInterval(renew, slow);
    };
  }

  if (document.querySelector("[data-live]")) {
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) renew();
      watch();
    });
    watch();
    wait();
  }
}
