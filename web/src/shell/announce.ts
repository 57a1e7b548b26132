// What is said aloud, and not shown: the name of a screen to which the focus does not go.

import { store } from "../api/store";

export const announcement = store("");

export function announce(text: string): void {
  announcement.set(text);
}
