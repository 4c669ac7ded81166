// Small conveniences: tick all, copy a secret.
export function offerChoices() {
  const all = document.querySelector("[data-tick-all]");
  if (all) {
    all.hidden = false;
    document.querySelector("[data-tick-all-label]").hidden = false;
    all.addEventListener("change", () => {
      for (const box of all.form.querySelectorAll(`input[name=${all.dataset.tickAll}]`)) box.checked = all.checked;
    });
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
}
