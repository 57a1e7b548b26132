// Server-sent events, read with `fetch`: an EventSource does not say why it was refused.

import { expire, session } from "./session";

const AGAIN = 1_000;
const LONGEST_WAIT = 15_000;
/** After these answers it is not asked again. */
const LAST: readonly number[] = [204, 403, 404];

interface Watching {
  /** Something happened: its kind, and what the API says of it. */
  onEvent: (name: string, data: unknown) => void;
  /** Whether events come; while they do not, one must ask. */
  onState: (isLive: boolean) => void;
}

/** Follows the events at an address until the signal ends it, or the server says that there is nothing more to come. A
 *  page that nobody sees reads none: browsers allow few connections to one server, and each stream takes one. */
export async function watch(
  path: string,
  { onEvent, onState }: Watching,
  signal: AbortSignal,
): Promise<void> {
  let last = "";
  for (let wait = AGAIN; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    await seen(signal);
    const { signal: until, stop } = untilUnseen(signal);
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      const { id } = session.get();
      if (last !== "") headers["Last-Event-ID"] = last;
      const response = await fetch(path, { headers, signal: until, cache: "no-store" });
      // Nothing to come, a server that has no events, or none for this person: asking must do.
      if (LAST.includes(response.status)) return onState(false);
      if (response.status === 401) expire(id);
      if (response.ok && response.body !== null) {
        onState(true);
        wait = AGAIN;
        for await (const event of readEvents(response.body)) {
          if (event.id !== "") last = event.id;
          onEvent(event.name, parse(event.data));
        }
      }
    } catch {
      // It is tried again.
    } finally {
      stop();
    }
    onState(false);
    if (!until.aborted) await pause(wait, signal);
  }
}

/** As soon as the page is seen. */
function seen(signal: AbortSignal): Promise<void> {
  if (document.visibilityState !== "hidden" || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState === "hidden" && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
  });
}

/** A signal for the moment from which nobody sees the page, or that of another signal. */
function untilUnseen(signal: AbortSignal): { signal: AbortSignal; stop: () => void } {
  const end = new AbortController();
  const look = () => {
    if (document.visibilityState === "hidden" || signal.aborted) end.abort();
  };
  look();
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", look);
  const stop = () => {
    document.removeEventListener("visibilitychange", look);
    signal.removeEventListener("abort", look);
  };
  return { signal: end.signal, stop };
}

interface ServerEvent {
  name: string;
  id: string;
  data: string;
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** As the standard has them. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event: ServerEvent = { name: "", id: "", data: "" };
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.map((one) => one.replace(/\r$/, ""))) {
        if (line === "") {
          if (event.data !== "") yield event;
          event = { name: "", id: event.id, data: "" };
        } else if (line.startsWith("data:")) {
          event.data += `${event.data === "" ? "" : "\n"}${line.slice(5).trim()}`;
        } else if (line.startsWith("event:")) event.name = line.slice(6).trim();
        else if (line.startsWith("id:")) event.id = line.slice(3).trim();
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
