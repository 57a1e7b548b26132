// What is done to many executions at once. Apart from their questions, which are loaded with every screen.

import { api, ask, reachLong, type Schemas } from "./client";
import type { ExecutionFilter } from "./executions";

/** Which executions are meant: those of these ids, or all that fit. */
export type Selection = { ids: readonly string[] } | { filter: ExecutionFilter };

/** So many in one call, so that each answers soon. */
const CHUNK = 100;

/** How far it has come. */
export interface Progress {
  done: number;
  failed: number;
  /** Why the first of those failed. */
  reason: string | undefined;
}

export interface Outcome extends Progress {
  /** Where it did not come to its end: it was stopped, or a call failed. */
  end: "all" | "stopped" | "failed";
  /** Why the call failed. */
  error?: unknown;
  /** With these it was done, or could not be. */
  answered: ReadonlySet<string>;
}

interface Chunk {
  body: Schemas["BulkCancel"];
  /** By which the server knows it if it comes again. */
  key?: string;
}

interface Watching {
  onProgress: (progress: Progress) => void;
  /** Ends it after the chunk that is under way. */
  signal: AbortSignal;
}

/** Does something to many, chunk by chunk. */
async function bulk(
  chunks: Chunk[],
  call: (chunk: Chunk) => Promise<Schemas["BulkAnswer"]>,
  { onProgress, signal }: Watching,
): Promise<Outcome> {
  const answered = new Set<string>();
  let now: Progress = { done: 0, failed: 0, reason: undefined };
  try {
    for (const chunk of chunks) {
      if (signal.aborted) return { ...now, answered, end: "stopped" };
      const { done, failed, more, next_cursor: cursor } = await call(chunk);
      for (const { id } of [...done, ...failed]) answered.add(id);
      now = {
        done: now.done + done.length,
        failed: now.failed + failed.length,
        reason: now.reason ?? failed[0]?.error.message,
      };
      onProgress(now);
      // What a filter gives is known chunk by chunk.
      if (more && typeof cursor === "string") chunks.push({ body: { ...chunk.body, cursor } });
    }
    return { ...now, answered, end: "all" };
  } catch (error) {
    return { ...now, answered, end: "failed", error };
  }
}

/** What was sent to be retried and is not answered, with its key: sent again under it, nothing starts twice. */
const unanswered = new Map<string, string>();

export function retryExecutions(
  selection: Selection,
  from: Schemas["RetryFrom"],
  watching: Watching,
): Promise<Outcome> {
  const nameOf = (id: string) => `${from} ${id}`;
  const call = async ({ body, key }: Chunk) => {
    const ids = body.ids ?? [];
    if (key !== undefined) for (const id of ids) unanswered.set(nameOf(id), key);
    const answer = await ask(
      api.POST("/api/v1/executions/retry", {
        body: { ...body, from },
        headers: key === undefined ? {} : { "Idempotency-Key": key },
        fetch: reachLong,
      }),
    );
    for (const id of ids) unanswered.delete(nameOf(id));
    return answer;
  };
  if ("filter" in selection) return bulk([ofFilter(selection.filter)], call, watching);
  const again = new Map<string, string[]>();
  const fresh: string[] = [];
  for (const id of selection.ids) {
    const key = unanswered.get(nameOf(id));
    if (key === undefined) fresh.push(id);
    else again.set(key, [...(again.get(key) ?? []), id]);
  }
  const chunks = [
    ...[...again].map(([key, ids]) => ({ body: { ids }, key })),
    ...ofIds(fresh).map((chunk) => ({ ...chunk, key: newKey() })),
  ];
  return bulk(chunks, call, watching);
}

export function cancelExecutions(selection: Selection, watching: Watching): Promise<Outcome> {
  const call = ({ body }: Chunk) => ask(api.POST("/api/v1/executions/cancel", { body, fetch: reachLong }));
  const chunks = "ids" in selection ? ofIds(selection.ids) : [ofFilter(selection.filter)];
  return bulk(chunks, call, watching);
}

function ofIds(ids: readonly string[]): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at < ids.length; at += CHUNK) chunks.push({ body: { ids: ids.slice(at, at + CHUNK) } });
  return chunks;
}

function ofFilter(filter: ExecutionFilter): Chunk {
  return { body: { filter, limit: CHUNK } };
}

/** `crypto.randomUUID` is missing where the page comes by plain HTTP from another machine. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
