// What lies over the screens, and whether it is open. They are loaded ahead, or when they are first asked for.

import { store } from "../api/store";

export type Overlay = "palette" | "shortcuts" | "navigation";

export const overlay = store<Overlay | undefined>(undefined);

/** The commands ask for a file to import; the screen of the workflows opens the choice. */
export const wantsImport = store(false);

/** What is typed into the commands. */
export const commandText = store("");

export function openOverlay(which: Overlay): void {
  if (which === "palette" && overlay.get() !== "palette") {
    commandText.set("");
    document.addEventListener("keydown", typeAhead, true);
  }
  overlay.set(which);
}

export function closeOverlay(): void {
  document.removeEventListener("keydown", typeAhead, true);
  overlay.set(undefined);
}

/** Keys that come before the commands have the focus are not lost. */
function typeAhead(event: KeyboardEvent): void {
  const target = event.target instanceof Element ? event.target : undefined;
  if (target?.closest(".palette") != null) return;
  // What is over the commands is meant itself, such as the password of a log-in.
  if (target?.closest(".dialog, [role=dialog]") != null) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") closeOverlay();
  else if (event.key === "Backspace") commandText.set(commandText.get().slice(0, -1));
  else if (event.key.length === 1) commandText.set(commandText.get() + event.key);
  else return;
  event.preventDefault();
  event.stopPropagation();
}
