// What was typed and not saved is kept by the browser, so that neither a closed tab nor an ended session loses it. It is
// kept apart for each person, and without the values of secrets: whoever uses this browser next could read them.

import { withoutSecrets } from "../../graph/secrets";

export interface Unsaved {
  text: string;
  /** The revision it began from. */
  revision: number;
  /** The values of its secrets were not kept. */
  isMissingSecrets: boolean;
}

const PREFIX = "flowmatic.unsaved.";
/** For which workflow of whom. */
const KEY = /^flowmatic\.unsaved\.(\d+)\.([0-9a-f-]+)$/i;
/** How long those of other people are kept, and how many in all: the browser has room for some megabytes. */
const OTHERS_LAST = 30 * 24 * 3_600_000;
const MOST = 50;

const keyOf = (user: number, id: string) => `${PREFIX}${user}.${id}`;

export function keepUnsaved(user: number, id: string, { text, revision }: Omit<Unsaved, "isMissingSecrets">) {
  const { text: bare, isMissing } = withoutSecrets(text);
  const kept = JSON.stringify({ text: bare, revision, isMissingSecrets: isMissing, at: Date.now() });
  const key = keyOf(user, id);
  try {
    if (localStorage.getItem(key) === null) makeRoom(user, key);
    for (;;) {
      try {
        localStorage.setItem(key, kept);
        return;
      } catch (error) {
        if (!giveUpOldest(user, key)) throw error;
      }
    }
  } catch {
    // Storage is full or switched off: it lasts as long as the page.
  }
}

export function forgetUnsaved(user: number, id: string): void {
  try {
    localStorage.removeItem(keyOf(user, id));
  } catch {
    // There was none.
  }
}

export function readUnsaved(user: number, id: string): Unsaved | undefined {
  try {
    const { text, revision, isMissingSecrets } = parse(keyOf(user, id));
    if (typeof text !== "string" || typeof revision !== "number") return undefined;
    return { text, revision, isMissingSecrets: isMissingSecrets === true };
  } catch {
    return undefined;
  }
}

/** For one more: forgets what is too old or too much, and what is nobody's. */
function makeRoom(user: number, key: string): void {
  const oldest = Date.now() - OTHERS_LAST;
  for (const one of keys()) {
    const whose = KEY.exec(one)?.[1];
    if (whose === undefined || (Number(whose) !== user && timeOf(one) < oldest)) localStorage.removeItem(one);
  }
  while (keys().length >= MOST && giveUpOldest(user, key));
}

/** The oldest of somebody else's; of one's own only where there is no other. Whether there was one. */
function giveUpOldest(user: number, key: string): boolean {
  const isOwn = (one: string) => Number(KEY.exec(one)?.[1]) === user;
  const [oldest] = keys()
    .filter((one) => one !== key)
    .sort((a, b) => Number(isOwn(a)) - Number(isOwn(b)) || timeOf(a) - timeOf(b));
  if (oldest === undefined) return false;
  localStorage.removeItem(oldest);
  return true;
}

function keys(): string[] {
  const all = Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? "");
  return all.filter((one) => one.startsWith(PREFIX));
}

/** When it was kept; long ago where that cannot be told. */
function timeOf(key: string): number {
  const { at } = parse(key);
  return typeof at === "number" ? at : 0;
}

function parse(key: string): Record<string, unknown> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    return typeof kept === "object" && kept !== null ? { ...kept } : {};
  } catch {
    return {};
  }
}
