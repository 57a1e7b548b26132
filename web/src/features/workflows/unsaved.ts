// What was typed and not saved is kept by the browser, so that neither a closed tab nor an ended session loses it.

export interface Unsaved {
  text: string;
  /** The revision it began from. */
  revision: number;
}

const key = (id: string) => `flowmatic.unsaved.${id}`;

export function keepUnsaved(id: string, unsaved: Unsaved): void {
  try {
    localStorage.setItem(key(id), JSON.stringify(unsaved));
  } catch {
    // Storage is full or switched off: it lasts as long as the page.
  }
}

export function forgetUnsaved(id: string): void {
  try {
    localStorage.removeItem(key(id));
  } catch {
    // There was none.
  }
}

export function readUnsaved(id: string): Unsaved | undefined {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key(id)) ?? "null");
    if (typeof kept !== "object" || kept === null) return undefined;
    const { text, revision } = kept as Record<string, unknown>;
    return typeof text === "string" && typeof revision === "number" ? { text, revision } : undefined;
  } catch {
    return undefined;
  }
}
