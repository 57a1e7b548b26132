// What lies over the screens, and whether it is open. They are loaded when they are first asked for.

import { store } from "../api/store";

export type Overlay = "palette" | "shortcuts" | "navigation";

export const overlay = store<Overlay | undefined>(undefined);

export function openOverlay(which: Overlay): void {
  overlay.set(which);
}

export function closeOverlay(): void {
  overlay.set(undefined);
}
