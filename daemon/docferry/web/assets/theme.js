// The theme is kept in a cookie, so that the server sends the page in it: nothing flashes.
const THEMES = ["system", "light", "dark"];
const YEAR_S = 31536000;

function present() {
  return document.documentElement.dataset.theme ?? "system";
}

function choose(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const age = theme === "system" ? 0 : YEAR_S;
  document.cookie = `docferry-theme=${theme}; path=/; max-age=${age}; samesite=strict`;
}

export function offerThemes() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  const word = button.querySelector("span");
  word.textContent = present();
  button.hidden = false;
  button.addEventListener("click", () => {
    choose(THEMES[(THEMES.indexOf(present()) + 1) % THEMES.length]);
    word.textContent = present();
  });
}
