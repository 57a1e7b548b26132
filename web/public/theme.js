// Sets the theme that was chosen; without one the system's holds. `src/shell/theme.ts` writes it.
try {
  const theme = localStorage.getItem("flowmatic.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme holds.
}
