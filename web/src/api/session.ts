// Who is logged in. The token is kept by the browser, for all tabs of this server.

import type { Schemas } from "./client";
import { type Store, store, useStore } from "./store";

export interface SessionState {
  token: string | undefined;
  email: string | undefined;
  /** The server did not take the token any more: the work goes on after a log-in over it. */
  isExpired: boolean;
}

const KEY = "flowmatic.session";
const NOBODY: SessionState = { token: undefined, email: undefined, isExpired: false };

export const session: Store<SessionState> = store(read());

export function useSession(): SessionState {
  return useStore(session);
}

export function begin(made: Schemas["Session"]): void {
  write({ token: made.token, email: made.user.email, isExpired: false });
}

export function end(): void {
  write(NOBODY);
}

/** The token that was refused; one that another tab has renewed meanwhile stays. */
export function expire(token: string): void {
  const now = session.get();
  if (now.token === token) session.set({ ...now, isExpired: true });
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
    const { token, email } = kept as Record<string, unknown>;
    if (typeof token !== "string") return NOBODY;
    return { token, email: typeof email === "string" ? email : undefined, isExpired: false };
  } catch {
    return NOBODY;
  }
}

function write(state: SessionState): void {
  try {
    if (state.token === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ token: state.token, email: state.email }));
  } catch {
    // Without storage the session lasts as long as the page.
  }
  session.set(state);
}
