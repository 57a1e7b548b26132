// What is done to many executions at once. Apart from their questions, which are loaded with every screen.

import { api, ask, reachLong, type Schemas } from "./client";
import type { ExecutionFilter } from "./executions";

/** Which executions are meant: those of these ids, or all that fit. */
export type Selection = { ids: readonly string[] } | { filter: ExecutionFilter };

/** So many in one call, so that each answers soon. */
const CHUNK = 100;

/** Does something to many, chunk by chunk, and tells of each how far it has come. */
async function bulk(
  selection: Selection,
  call: (chunk: Schemas["BulkCancel"]) => Promise<Schemas["BulkAnswer"]>,
  onProgress: (done: number) => void,
): Promise<Pick<Schemas["BulkAnswer"], "failed"> & { done: number }> {
  let done = 0;
  const failed: Schemas["BulkFailed"][] = [];
  const take = (answer: Schemas["BulkAnswer"]) => {
    done += answer.done.length;
    failed.push(...answer.failed);
    onProgress(done + failed.length);
  };
  if ("ids" in selection) {
    for (let at = 0; at < selection.ids.length; at += CHUNK)
      take(await call({ ids: selection.ids.slice(at, at + CHUNK) }));
    return { done, failed };
  }
  for (let cursor: string | undefined, isMore = true; isMore; ) {
    const answer = await call({ filter: selection.filter, limit: CHUNK, cursor });
    take(answer);
    cursor = answer.next_cursor ?? undefined;
    isMore = answer.more && cursor !== undefined;
  }
  return { done, failed };
}

export function retryExecutions(
  selection: Selection,
  from: Schemas["RetryFrom"],
  onProgress: (done: number) => void,
) {
  const call = (body: Schemas["BulkCancel"]) =>
    ask(api.POST("/api/v1/executions/retry", { body: { ...body, from }, fetch: reachLong }));
  return bulk(selection, call, onProgress);
}

export function cancelExecutions(selection: Selection, onProgress: (done: number) => void) {
  const call = (body: Schemas["BulkCancel"]) =>
    ask(api.POST("/api/v1/executions/cancel", { body, fetch: reachLong }));
  return bulk(selection, call, onProgress);
}
