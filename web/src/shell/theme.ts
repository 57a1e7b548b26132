// Light or dark: the system's, unless one was chosen. `public/theme.js` sets it before the first paint.

import { store, useStore } from "../api/store";

export type Theme = "system" | "light" | "dark";

const KEY = "flowmatic.theme";

const chosen = store<Theme>(read());

export function useTheme(): Theme {
  return useStore(chosen);
}

export function chooseTheme(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // It lasts as long as the page.
  }
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  chosen.set(theme);
}

function read(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}
