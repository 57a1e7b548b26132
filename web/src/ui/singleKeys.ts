// Whether keys without Ctrl do anything: some people press them by accident.

import { store } from "../api/store";

const KEY = "flowmatic.single-keys";

export const singleKeys = store(read());

export function chooseSingleKeys(areOn: boolean): void {
  try {
    localStorage.setItem(KEY, areOn ? "on" : "off");
  } catch {
    // It lasts as long as the page.
  }
  singleKeys.set(areOn);
}

function read(): boolean {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}
