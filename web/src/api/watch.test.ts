import { afterEach, expect, test, vi } from "vitest";
import { readEvents, watch } from "./watch";

afterEach(() => {
  vi.useRealTimers();
});

async function read(...parts: string[]) {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
  const found = [];
  for await (const event of readEvents(body)) found.push([event.name, event.id, event.data]);
  return found;
}

test("reads events, wherever the parts of the answer end", async () => {
  const whole =
    'event: step.finished\nid: 7\ndata: {"a":1}\n\n: still here\n\nevent: execution.ended\ndata: x\n\n';
  const expected = [
    ["step.finished", "7", '{"a":1}'],
    ["execution.ended", "7", "x"],
  ];
  expect(await read(whole)).toEqual(expected);
  expect(await read(...whole)).toEqual(expected);
  expect(await read(whole.replaceAll("\n", "\r\n"))).toEqual(expected);
});

test("leaves out an event that is cut off", async () => {
  expect(await read("event: step.finished\nid: 1\n")).toEqual([]);
});

/** Answers one after the other; none where it is `undefined`. */
function serve(...answers: (Response | undefined)[]) {
  const called = vi.fn(async () => {
    const answer = answers[Math.min(called.mock.calls.length, answers.length) - 1];
    if (answer === undefined) throw new TypeError("no connection");
    return answer;
  });
  vi.stubGlobal("fetch", called);
  return called;
}

/** A signal that counts who listens to it. */
function counted() {
  const end = new AbortController();
  const listeners = new Set<unknown>();
  const { signal } = end;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  vi.spyOn(signal, "addEventListener").mockImplementation((...of: Parameters<typeof add>) => {
    listeners.add(of[1]);
    add(...of);
  });
  vi.spyOn(signal, "removeEventListener").mockImplementation((...of: Parameters<typeof remove>) => {
    listeners.delete(of[1]);
    remove(...of);
  });
  return { end, signal, listeners };
}

test.each([204, 403, 404])("asks no more after a %i, and says that no events come", async (status) => {
  const called = serve(new Response(null, { status }));
  const onState = vi.fn();
  await watch("/events", { onEvent: vi.fn(), onState }, new AbortController().signal);
  expect(called).toHaveBeenCalledTimes(1);
  expect(onState.mock.calls).toEqual([[false]]);
});

test("leaves no listeners behind while the server is away, and ends at once", async () => {
  vi.useFakeTimers();
  const called = serve(undefined);
  const { end, signal, listeners } = counted();
  const onPage = vi.spyOn(document, "addEventListener");
  const offPage = vi.spyOn(document, "removeEventListener");
  const watching = watch("/events", { onEvent: vi.fn(), onState: vi.fn() }, signal);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(called.mock.calls.length).toBeGreaterThan(30);
  // That of the pause it is in.
  expect(listeners.size).toBeLessThanOrEqual(1);
  expect(onPage.mock.calls.length - offPage.mock.calls.length).toBeLessThanOrEqual(1);
  end.abort();
  await watching;
  expect(listeners.size).toBe(0);
});

test("waits until the page is seen, and leaves no listener behind then", async () => {
  const called = serve(new Response(null, { status: 204 }));
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  const { signal, listeners } = counted();
  const watching = watch("/events", { onEvent: vi.fn(), onState: vi.fn() }, signal);
  document.dispatchEvent(new Event("visibilitychange"));
  expect(called).not.toHaveBeenCalled();
  expect(listeners.size).toBe(1);
  visibility.mockReturnValue("visible");
  document.dispatchEvent(new Event("visibilitychange"));
  await watching;
  expect(called).toHaveBeenCalledTimes(1);
  expect(listeners.size).toBe(0);
});
