// A page hears that something has changed, asks for itself anew, and takes over what is different.
import { tellTimes } from "./times.js";

const QUIET_MS = 100;
const REST = 5; // times as long as it took
const known = new Map();

// As the server sent it, without what passes by itself.
function sent(region) {
  const copy = region.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) {
    time.textContent = "";
    time.removeAttribute("title");
  }
  for (const fresh of copy.querySelectorAll(".fresh")) fresh.classList.remove("fresh");
  return copy.outerHTML;
}

// Somebody is in the middle of something there.
function isInUse(region) {
  const active = document.activeElement;
  if (region.contains(active) && active.matches("input, select, textarea")) return true;
  return [...region.querySelectorAll("input[type=checkbox], input[type=radio]")].some(
    (box) => box.checked !== box.defaultChecked,
  );
}

function focusKey(region) {
  const active = document.activeElement;
  if (!region.contains(active) || active === region) return null;
  const same = [...region.querySelectorAll(active.tagName)].filter(
    (one) => one.getAttribute("href") === active.getAttribute("href") &&
      one.textContent === active.textContent,
  );
  return { tag: active.tagName, href: active.getAttribute("href"), text: active.textContent,
    number: same.indexOf(active) };
}

function refocus(region, key) {
  if (!key) return;
  const found = [...region.querySelectorAll(key.tag)].filter(
    (one) => one.getAttribute("href") === key.href && one.textContent === key.text,
  );
  (found[key.number] ?? found[0])?.focus({ preventScroll: true });
}

function takeOver(region, fresh) {
  const key = focusKey(region);
  const before = new Set([...region.querySelectorAll("[data-key]")].map((one) => one.dataset.key));
  region.replaceChildren(...fresh.childNodes);
  region.hidden = fresh.hidden;
  for (const one of region.querySelectorAll("[data-key]")) {
    if (!before.has(one.dataset.key)) one.classList.add("fresh");
  }
  tellTimes(region);
  refocus(region, key);
  if (region.dataset.say !== fresh.dataset.say) {
    region.dataset.say = fresh.dataset.say;
    document.getElementById("said").textContent = fresh.dataset.say;
  }
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === "/login") {
    location.assign(answer.url);
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh || isInUse(region)) continue;
    const now = sent(fresh);
    if (known.get(region.id) === now) continue;
    known.set(region.id, now);
    takeOver(region, fresh);
  }
  if (page.title) document.title = page.title;
}

export function listen() {
  const address = new URL(location.href);
  if (address.searchParams.has("notice")) {
    address.searchParams.delete("notice");
    history.replaceState(null, "", address);
  }
  const regions = document.querySelectorAll("[data-live][id]");
  if (!regions.length || "posted" in document.body.dataset) return; // it cannot be asked for again
  for (const region of regions) known.set(region.id, sent(region));

  let stream = null;
  let timer = null;
  let isBusy = false;
  let isStale = false;
  const soon = () => {
    timer ??= setTimeout(async () => {
      timer = null;
      if (isBusy) { isStale = true; return; }
      isBusy = true;
      const began = performance.now();
      try { await refresh(); } catch { /* the stream connects again, and asks again */ }
      // While a hundred thousand files travel nobody reads, and the server has to do.
      await new Promise((go) => setTimeout(go, REST * (performance.now() - began)));
      isBusy = false;
      if (isStale) { isStale = false; soon(); }
    }, QUIET_MS);
  };
  // A browser has few connections to one host: pages that nobody sees need none.
  const follow = () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (!stream) {
      stream = new EventSource("/live");
      stream.addEventListener("changed", soon);
      stream.addEventListener("open", soon); // what came meanwhile, nobody has told
    }
  };
  document.addEventListener("visibilitychange", () => { follow(); if (!document.hidden) soon(); });
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { stream = null; follow(); soon(); } });
  follow();
  document.documentElement.dataset.ready = "";
}
