/* Light or dark: the system's wish until the reader chooses; the choice is kept where the browser allows it. */
(() => {
  "use strict";
  const root = document.documentElement;
  const kept = {
    get() { try { return localStorage.getItem("penstock-theme"); } catch { return null; } },
    set(theme) { try { localStorage.setItem("penstock-theme", theme); } catch { /* a file without storage */ } },
  };
  const isDark = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const chosen = kept.get();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  const label = (button) => {
    const text = isDark() ? "Use the light theme" : "Use the dark theme";
    button.textContent = isDark() ? "☀" : "☾";
    button.title = text;
    button.setAttribute("aria-label", text);
  };
  const start = () => {
    for (const button of document.querySelectorAll(".theme-toggle")) {
      button.hidden = false;
      label(button);
      button.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        kept.set(root.dataset.theme);
        label(button);
      });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => label(button));
    }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
