// Who is logged in. The session itself is in a cookie that no script can read; what is kept here, for all tabs of this
// server, only says whose it is.

import type { Schemas } from "./client";
import { type Store, store, useStore } from "./store";

export interface SessionState {
  /** Of this log-in, to tell it from an earlier one; missing where nobody is logged in. */
  id: string | undefined;
  email: string | undefined;
  /** The id of who it is; missing until the server has said it, where an earlier version has logged in. */
  user: number | undefined;
  /** The server did not take the session any more: the work goes on after a log-in over it. */
  isExpired: boolean;
}

const KEY = "flowmatic.session";
const NOBODY: SessionState = { id: undefined, email: undefined, user: undefined, isExpired: false };

export const session: Store<SessionState> = store(read());

export function useSession(): SessionState {
  return useStore(session);
}

export function begin({ email, id: user }: Schemas["User"]): void {
  write({ id: Date.now().toString(36), email, user, isExpired: false });
}

/** Who it is, as the server says: they may go by another e-mail now. */
export function know({ email, id: user }: Schemas["User"]): void {
  const now = session.get();
  if (now.id !== undefined && (now.email !== email || now.user !== user)) write({ ...now, email, user });
}

export function end(): void {
  write(NOBODY);
}

/** The log-in that was refused; one that another tab has made meanwhile stays. */
export function expire(id: string | undefined): void {
  const now = session.get();
  if (id !== undefined && now.id === id) session.set({ ...now, isExpired: true });
}

/** Another tab has logged in or out. */
export function follow(): void {
  addEventListener("storage", (event) => {
    if (event.key === KEY || event.key === null) session.set(read());
  });
}

function read(): SessionState {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return NOBODY;
    const { id, email, user } = kept as Record<string, unknown>;
    if (typeof id !== "string") return NOBODY;
    return {
      id,
      email: typeof email === "string" ? email : undefined,
      user: typeof user === "number" ? user : undefined,
      isExpired: false,
    };
  } catch {
    return NOBODY;
  }
}

function write(state: SessionState): void {
  try {
    if (state.id === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ id: state.id, email: state.email, user: state.user }));
  } catch {
    // Without storage one is known as long as the page lasts.
  }
  session.set(state);
}
