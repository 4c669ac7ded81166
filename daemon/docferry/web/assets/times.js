// Times stay true while a page is open, and tell the reader's own time on demand.
const LENGTHS = [["d", 86400], ["h", 3600], ["min", 60]];

function lasted(seconds) {
  for (const [unit, length] of LENGTHS) {
    if (seconds >= 2 * length) return `${Math.round(seconds / length)} ${unit}`;
  }
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

function ago(at) {
  const seconds = (Date.now() - at) / 1000;
  if (seconds < 0) return `in ${lasted(-seconds)}`;
  return seconds < 1 ? "just now" : `${lasted(Math.floor(seconds))} ago`.replace(".0 s", " s");
}

export function tellTimes(within = document) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = ago(at);
    if (time.textContent !== text) time.textContent = text;
    time.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

export function keepTimes() {
  tellTimes();
  setInterval(() => document.hidden || tellTimes(), 10000);
}
