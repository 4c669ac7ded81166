// What every page has: it is complete without any of this.
import { keepTimes } from "./times.js";
import { listen } from "./live.js";
import { offerThemes } from "./theme.js";
import { offerChoices } from "./choices.js";

keepTimes();
// On a phone the menu is one line, wider than the window.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
offerThemes();
offerChoices();
listen();
