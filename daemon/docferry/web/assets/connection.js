// Whether what a page shows is of now. Where it is not, the page says so, and since when.
const ENDED = "login";
let heardAt = new Date(); // when docferry last answered
let said = null;

// Why the page may be old: it answers nothing, an error, or asks who it is.
export const silent = () => ({ kind: "silent" });
export const refused = (status) => ({ kind: `${status}`, status });
export const loggedOut = (address) => ({ kind: ENDED, address });

export function heard() {
  heardAt = new Date();
}

export function isOld() {
  return said !== null;
}

// Called after each try; null: it went well.
export function tell(trouble) {
  if (!trouble) heard();
  if (said === (trouble?.kind ?? null)) return; // whoever listens has been told
  said = trouble?.kind ?? null;
  const notice = document.getElementById("old");
  document.documentElement.toggleAttribute("data-old", Boolean(trouble));
  notice.hidden = !trouble;
  notice.querySelector("span").replaceChildren(...(trouble ? words(trouble) : []));
  if (trouble) document.title = `${trouble.kind === ENDED ? "Login needed" : "No connection"} · docferry`;
  else document.getElementById("said").textContent = "docferry answers again.";
}

function words(trouble) {
  const since = clock();
  if (trouble.kind === ENDED) {
    const link = document.createElement("a");
    link.href = trouble.address;
    link.textContent = "Log in again";
    return ["Your login is over: what is shown is of ", since, " and may be old. ", link];
  }
  const what = trouble.status ? `docferry answers with error ${trouble.status} since ` : "No connection since ";
  return [what, since, ": what is shown may be old. This page tries again by itself."];
}

// Not as "5 min ago": who comes by reads it days later, and on another day says which.
function clock() {
  const time = document.createElement("span");
  const isToday = heardAt.toDateString() === new Date().toDateString();
  time.textContent = heardAt.toLocaleString(undefined, isToday
    ? { hour: "2-digit", minute: "2-digit" }
    : { dateStyle: "medium", timeStyle: "short" });
  return time;
}
