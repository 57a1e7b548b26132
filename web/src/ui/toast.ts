// Short messages that go away by themselves. Their drawing is loaded with the first of them.

import { store } from "../api/store";

export interface Message {
  id: number;
  kind: "done" | "error" | "plain";
  title: string;
  description?: string | undefined;
  action?: { label: string; run: () => void } | undefined;
  /** Milliseconds; 0 stays until it is closed. */
  lasts: number;
}

/** Those that the drawing has not taken over yet. */
export const waiting = store<readonly Message[]>([]);

let last = 0;

export function tell(
  kind: Message["kind"],
  title: string,
  more: Partial<Pick<Message, "description" | "action" | "lasts">> = {},
): void {
  last += 1;
  const lasts = more.lasts ?? (kind === "error" ? 10_000 : 5_000);
  waiting.set([...waiting.get(), { ...more, id: last, kind, title, lasts }]);
}
