/** What of the list is shown, as the address has it. */
export interface KeySearch {
  /** Only those that this person has made, by their id. */
  by?: number | undefined;
}

export function readKeySearch(from: Record<string, unknown>): KeySearch {
  return { by: typeof from.by === "number" && Number.isSafeInteger(from.by) ? from.by : undefined };
}
