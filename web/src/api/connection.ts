// Whether the server answers. While it does not, it is asked again and again, at longer and longer intervals.

import { store, useStore } from "./store";

export interface ConnectionState {
  isLost: boolean;
  /** When it is asked next, by `Date.now()`. */
  retryAt: number;
}

const WAITS = [2_000, 3_000, 5_000, 10_000, 15_000];
const PATIENCE = 5_000;

export const connection = store<ConnectionState>({ isLost: false, retryAt: 0 });

const found = new Set<() => void>();
let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function useConnection(): ConnectionState {
  return useStore(connection);
}

/** Calls back each time the server is there again. */
export function onFound(listener: () => void): () => void {
  found.add(listener);
  return () => found.delete(listener);
}

export function noteLost(): void {
  if (!connection.get().isLost) schedule();
}

export function noteAnswer(): void {
  if (!connection.get().isLost) return;
  clearTimeout(timer);
  tries = 0;
  connection.set({ isLost: false, retryAt: 0 });
  for (const listener of [...found]) listener();
}

export async function tryNow(): Promise<void> {
  clearTimeout(timer);
  tries += 1;
  if (await answers()) noteAnswer();
  else schedule();
}

/** Loads a part of the application. Where the server is away, it is had as soon as the server is back; to load the page
 *  anew would lose what was typed. */
export async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (let tries = 0, next = load; ; tries += 1) {
    try {
      return await next();
    } catch (error) {
      const isThere = await answers();
      const address = /https?:\S+\.js/.exec(error instanceof Error ? error.message : "")?.[0];
      // Browsers keep that a file could not be had, for as long as the page lasts: by another address it is asked for anew.
      // Another version of the server has no such file any more.
      if (isThere && (tries > 0 || address === undefined)) throw error;
      if (!isThere) await untilFound();
      if (address !== undefined) next = () => import(/* @vite-ignore */ `${address}?again=${Date.now()}`);
    }
  }
}

function untilFound(): Promise<void> {
  return new Promise((resolve) => {
    const stop = onFound(() => {
      stop();
      resolve();
    });
    noteLost();
  });
}

async function answers(): Promise<boolean> {
  try {
    const response = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return response.ok;
  } catch {
    return false;
  }
}

function schedule(): void {
  const wait = WAITS[Math.min(tries, WAITS.length - 1)] ?? PATIENCE;
  connection.set({ isLost: true, retryAt: Date.now() + wait });
  timer = setTimeout(tryNow, wait);
}
