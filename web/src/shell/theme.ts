// Light or dark: the system's, unless one was chosen. `public/theme.js` shows it, from before the first paint.

import { store, useStore } from "../api/store";

export type Theme = "system" | "light" | "dark";

const KEY = "flowmatic.theme";

const chosen = store<Theme>(read());
addEventListener("storage", () => chosen.set(read()));

export function useTheme(): Theme {
  return useStore(chosen);
}

export function chooseTheme(theme: Theme): void {
  chosen.set(theme);
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
    dispatchEvent(new Event("flowmatic-theme"));
  } catch {
    // It lasts as long as the page.
    if (theme !== "system") document.documentElement.dataset.theme = theme;
  }
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}
