import { expect, test } from "vitest";
import { readEvents } from "./watch";

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
