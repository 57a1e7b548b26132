// Puts the theme into the page before anything is drawn: the one that was chosen (`src/shell/theme.ts`), else the system's.
const dark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("flowmatic.theme");
  } catch {
    // Storage is switched off: the system's theme holds.
  }
  const system = dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system;
}

showTheme();
dark.addEventListener("change", showTheme);
// Another tab has chosen, or this one.
addEventListener("storage", showTheme);
addEventListener("flowmatic-theme", showTheme);
