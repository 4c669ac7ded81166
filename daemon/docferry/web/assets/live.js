// A page hears that something has changed, asks for itself anew, and takes over what is different.
import { heard, isOld, loggedOut, refused, silent, tell } from "./connection.js";
import { tellTimes } from "./times.js";

const QUIET_MS = 100;
const REST = 5; // times as long as it took
const ANSWER_MS = 15000;
const EVERY_MS = 30000;
const SILENT_MS = 25000; // the stream says something each ten seconds
const BROKEN_MS = 3000; // the browser connects again by itself, mostly within that
const AGAIN_MS = 5000;
const WITHOUT_STREAM_MS = 15000; // too many listen: it is asked instead
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

// Gives what is wrong; null: what the page shows is of now.
async function refresh() {
  const answer = await ask().catch(silent);
  if (answer.kind) return answer;
  if (answer.redirected && new URL(answer.url).pathname === "/login") return loggedOut(answer.url);
  if (!answer.ok) return refused(answer.status);
  const page = new DOMParser().parseFromString(answer.text, "text/html");
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh || isInUse(region)) continue;
    const now = sent(fresh);
    if (known.get(region.id) === now) continue;
    known.set(region.id, now);
    takeOver(region, fresh);
  }
  if (page.title) document.title = page.title;
  return null;
}

async function ask() {
  const answer = await fetch(location.href, {
    headers: { Accept: "text/html" },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const { ok, status, redirected, url } = answer;
  return { ok, status, redirected, url, text: await answer.text() };
}

// Hears that something has changed; knows whether it would hear.
class Stream {
  constructor(changed) {
    this.changed = changed;
    this.source = null;
    this.heardMs = 0;
  }

  get isOpen() {
    return this.source?.readyState === EventSource.OPEN && performance.now() - this.heardMs < SILENT_MS;
  }

  // Where a cable was pulled the browser would wait for ever, and after an error it may have given up.
  open() {
    if (this.isOpen || this.source?.readyState === EventSource.CONNECTING) return;
    this.close();
    this.source = new EventSource("/live");
    for (const name of ["open", "changed", "beat"]) {
      this.source.addEventListener(name, () => {
        this.heardMs = performance.now();
        if (!isOld()) heard();
        if (name !== "beat" || isOld()) this.changed(); // before it was open nobody has told
      });
    }
  }

  close() {
    this.source?.close();
    this.source = null;
  }
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

  let timer = null;
  let isBusy = false;
  let isStale = false;
  let askedMs = performance.now();
  let brokenMs = null; // since when the stream is not open
  const soon = () => {
    timer ??= setTimeout(async () => {
      timer = null;
      if (isBusy) { isStale = true; return; }
      isBusy = true;
      askedMs = performance.now();
      tell(await refresh());
      // While a hundred thousand files travel nobody reads, and the server has to do.
      const restMs = isOld() ? 0 : REST * (performance.now() - askedMs);
      await new Promise((go) => setTimeout(go, restMs));
      isBusy = false;
      if (isStale) { isStale = false; soon(); }
    }, QUIET_MS);
  };
  const stream = new Stream(soon);
  // A poll, a row of the audit, a webhook that is taken: what makes no event is asked for.
  const waitMs = () => {
    if (stream.isOpen) return EVERY_MS;
    if (isOld()) return AGAIN_MS;
    return askedMs > brokenMs ? WITHOUT_STREAM_MS : BROKEN_MS;
  };
  const keep = () => {
    if (document.hidden) return;
    brokenMs = stream.isOpen ? null : brokenMs ?? performance.now();
    if (isBusy || performance.now() - Math.max(askedMs, brokenMs ?? 0) < waitMs()) return;
    if (!stream.isOpen) stream.open();
    soon();
  };
  // A browser has few connections to one host: pages that nobody sees need none.
  const follow = () => {
    if (document.hidden) stream.close();
    else { stream.open(); soon(); }
  };
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  if (!document.hidden) stream.open();
  setInterval(keep, 1000);
  document.documentElement.dataset.ready = "";
}
