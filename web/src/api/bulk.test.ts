import { expect, test, vi } from "vitest";
import { cancelExecutions, type Progress, retryExecutions } from "./bulk";

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `id-${from + at}`);

interface Sent {
  ids: string[] | undefined;
  cursor: string | undefined;
  key: string | null;
}

/** A server that answers each call as told, and keeps what was sent. */
function serve(...answers: ("done" | "lost" | { failed: string } | { cursor: string })[]): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const body = (await request.json()) as { ids?: string[]; cursor?: string };
    sent.push({ ids: body.ids, cursor: body.cursor, key: request.headers.get("Idempotency-Key") });
    const answer = answers[sent.length - 1] ?? "done";
    if (answer === "lost") throw new TypeError("no connection");
    const meant = body.ids ?? [`found-${sent.length}`];
    const failedId = typeof answer === "object" && "failed" in answer ? answer.failed : undefined;
    const cursor = typeof answer === "object" && "cursor" in answer ? answer.cursor : null;
    return Response.json({
      success: true,
      done: meant.filter((id) => id !== failedId).map((id) => ({ id, execution: {} })),
      failed: failedId === undefined ? [] : [{ id: failedId, error: { code: "X", message: "it runs" } }],
      more: cursor !== null,
      next_cursor: cursor,
    });
  });
  return sent;
}

function watching() {
  const end = new AbortController();
  const seen: Progress[] = [];
  return { end, seen, signal: end.signal, onProgress: (progress: Progress) => void seen.push(progress) };
}

test("goes through ids in chunks, each under a key of its own", async () => {
  const sent = serve("done", { failed: "id-150" });
  const watch = watching();
  const outcome = await retryExecutions({ ids: ids(0, 230) }, "start", watch);
  expect(sent.map((one) => one.ids?.length)).toEqual([100, 100, 30]);
  expect(new Set(sent.map((one) => one.key)).size).toBe(3);
  for (const { key } of sent) expect(key).toMatch(/^[0-9a-f]{32}$/);
  expect(watch.seen.map((one) => one.done + one.failed)).toEqual([100, 200, 230]);
  expect(outcome).toMatchObject({ end: "all", done: 229, failed: 1, reason: "it runs" });
  expect(outcome.answered.size).toBe(230);
});

test("tells how far it came before a call failed, and sends the rest again under the same key", async () => {
  const sent = serve("done", "lost");
  const first = await retryExecutions({ ids: ids(1000, 1250) }, "failed", watching());
  expect(first).toMatchObject({ end: "failed", done: 100, failed: 0 });
  expect(first.answered).toEqual(new Set(ids(1000, 1100)));
  // Some are not meant any more, and others are besides: those that were sent keep their key.
  const again = await retryExecutions({ ids: [...ids(900, 910), ...ids(1110, 1250)] }, "failed", watching());
  expect(again).toMatchObject({ end: "all", done: 150 });
  expect(sent[2]).toMatchObject({ ids: ids(1110, 1200), key: sent[1]?.key });
  expect(sent[3]?.key).not.toBe(sent[1]?.key);
  // Once they are answered, the same is another retry.
  await retryExecutions({ ids: ids(1110, 1120) }, "failed", watching());
  expect(sent.slice(0, -1).map((one) => one.key)).not.toContain(sent.at(-1)?.key);
});

test("keeps retries from the start apart from those of the failed steps", async () => {
  const sent = serve("lost");
  await retryExecutions({ ids: ["one"] }, "failed", watching());
  await retryExecutions({ ids: ["one"] }, "start", watching());
  expect(sent[1]?.key).not.toBe(sent[0]?.key);
});

test("stops after the chunk that is under way", async () => {
  const sent = serve();
  const { end, signal } = watching();
  const outcome = await cancelExecutions({ ids: ids(0, 300) }, { signal, onProgress: () => end.abort() });
  expect(sent).toHaveLength(1);
  expect(outcome).toMatchObject({ end: "stopped", done: 100 });
});

test("goes on with a filter as long as there is more", async () => {
  const sent = serve({ cursor: "a" }, { cursor: "b" });
  const outcome = await retryExecutions({ filter: { mode: "webhook" } }, "start", watching());
  expect(sent.map((one) => [one.cursor, one.key])).toEqual([
    [undefined, null],
    ["a", null],
    ["b", null],
  ]);
  expect(outcome).toMatchObject({ end: "all", done: 3 });
});
