// Refreshes quietly what changes while one looks: each element with `data-live` and an id, from the page itself.
// Nothing that is being typed in, selected or opened is touched; without this script every page works as well.
"use strict";
(() => {
  const EVERY = 15000;
  const parts = () => [...document.querySelectorAll("[data-live][id]")];
  const url = new URL(location.href);
  if (url.searchParams.has("done")) {
    url.searchParams.delete("done");
    history.replaceState(null, "", url);
  }
  if (!parts().length) return;
  let seen = "";
  let busy = false;

  const inUse = (part) => {
    const selection = getSelection();
    const selected = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return selected || (part.contains(document.activeElement) && document.activeElement !== document.body);
  };

  const put = (fresh) => {
    let whole = true;
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === part.innerHTML) continue;
      if (inUse(part)) whole = false;
      else part.replaceChildren(...document.importNode(next, true).childNodes);
    }
    return whole;
  };

  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const headers = { "X-Quiet-Refresh": "1" };
      if (seen) headers["If-None-Match"] = seen;
      const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) clearInterval(timer);
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        seen = put(fresh) ? answer.headers.get("ETag") || "" : "";
      }
    } catch {
      // no connection: the next look may find one
    } finally {
      busy = false;
    }
  };

  const timer = setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
})();
