// What every page has: it is complete without any of this.
import { keepTimes } from "./times.js";
import { listen } from "./live.js";
import { offerThemes } from "./theme.js";
import { offerChoices } from "./choices.js";

keepTimes();
offerThemes();
offerChoices();
listen();
