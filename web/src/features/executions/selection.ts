// Which executions are selected. It outlives the list: whoever looks at one and comes back has them still.

import type { Key } from "react";
import { store } from "../../api/store";

export interface Selected {
  /** The filters under which it was selected. */
  of: string;
  selected: ReadonlySet<Key>;
  /** All that fits them is meant, beyond the rows that were read. */
  isWhole: boolean;
}

export const NOTHING: Selected = { of: "", selected: new Set(), isWhole: false };

export const selection = store(NOTHING);

/** Takes these out, and lets what was selected since stand. */
export function deselect(ids: ReadonlySet<Key>): void {
  const now = selection.get();
  const left = [...now.selected].filter((key) => !ids.has(key));
  if (left.length === now.selected.size) return;
  selection.set(left.length === 0 ? NOTHING : { ...now, selected: new Set(left), isWhole: false });
}
