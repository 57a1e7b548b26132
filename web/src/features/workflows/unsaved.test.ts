import { beforeEach, expect, test, vi } from "vitest";
import { forgetUnsaved, keepUnsaved, readUnsaved } from "./unsaved";

const ANA = 1;
const BO = 2;
const DAY = 24 * 3_600_000;
const id = (at: number) => `0192f5a0-0000-7000-8000-${String(at).padStart(12, "0")}`;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-22T09:00:00Z") });
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

/** One that has room for so many. */
function storageOf(most: number): Storage {
  const kept = new Map<string, string>();
  return {
    get length() {
      return kept.size;
    },
    key: (at) => [...kept.keys()][at] ?? null,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => {
      if (kept.size >= most && !kept.has(key)) throw new DOMException("full", "QuotaExceededError");
      kept.set(key, value);
    },
    removeItem: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  };
}

test("gives back to each person what is theirs", () => {
  keepUnsaved(ANA, id(1), { text: "ana's", revision: 3 });
  expect(readUnsaved(BO, id(1))).toBeUndefined();
  keepUnsaved(BO, id(1), { text: "bo's", revision: 4 });
  expect(readUnsaved(ANA, id(1))).toEqual({ text: "ana's", revision: 3, isMissingSecrets: false });
  forgetUnsaved(BO, id(1));
  expect(readUnsaved(BO, id(1))).toBeUndefined();
  expect(readUnsaved(ANA, id(1))?.text).toBe("ana's");
});

test("keeps no secret, and says so", () => {
  keepUnsaved(ANA, id(1), { text: '{"auth": {"secret": "hunter2"}}', revision: 1 });
  expect(Object.values(localStorage).join()).not.toContain("hunter2");
  expect(readUnsaved(ANA, id(1))).toEqual({
    text: '{"auth": {"secret": ""}}',
    revision: 1,
    isMissingSecrets: true,
  });
});

test("forgets those of others after a month, not one's own", () => {
  keepUnsaved(ANA, id(1), { text: "a", revision: 1 });
  keepUnsaved(BO, id(1), { text: "b", revision: 1 });
  vi.advanceTimersByTime(31 * DAY);
  keepUnsaved(BO, id(2), { text: "b", revision: 1 });
  expect(readUnsaved(ANA, id(1))).toBeUndefined();
  expect(readUnsaved(BO, id(1))?.text).toBe("b");
});

test("forgets what was kept for nobody in particular", () => {
  localStorage.setItem(`flowmatic.unsaved.${id(1)}`, '{"text": "x", "revision": 1}');
  keepUnsaved(ANA, id(2), { text: "a", revision: 1 });
  expect(Object.keys(localStorage)).toEqual([`flowmatic.unsaved.${ANA}.${id(2)}`]);
});

test("keeps fifty, and gives up the oldest of others first", () => {
  const keep = (user: number, at: number) => {
    keepUnsaved(user, id(at), { text: "x", revision: 1 });
    vi.advanceTimersByTime(1000);
  };
  keep(ANA, 0);
  for (let at = 1; at < 10; at += 1) keep(BO, at);
  for (let at = 10; at < 52; at += 1) keep(ANA, at);
  expect(Object.keys(localStorage)).toHaveLength(50);
  expect(readUnsaved(ANA, id(0))).toBeDefined();
  expect(readUnsaved(BO, id(1))).toBeUndefined();
  expect(readUnsaved(BO, id(2))).toBeUndefined();
  expect(readUnsaved(BO, id(3))).toBeDefined();
  // The same again is not one more.
  keep(ANA, 51);
  expect(readUnsaved(BO, id(3))).toBeDefined();
});

test("makes room where the browser has none left", () => {
  vi.stubGlobal("localStorage", storageOf(2));
  keepUnsaved(BO, id(1), { text: "b", revision: 1 });
  keepUnsaved(ANA, id(2), { text: "a", revision: 1 });
  keepUnsaved(ANA, id(3), { text: "new", revision: 1 });
  expect(readUnsaved(ANA, id(3))?.text).toBe("new");
  expect(readUnsaved(ANA, id(2))?.text).toBe("a");
  expect(readUnsaved(BO, id(1))).toBeUndefined();
});

test("bears a storage that is broken", () => {
  localStorage.setItem(`flowmatic.unsaved.${ANA}.${id(1)}`, "no JSON");
  localStorage.setItem(`flowmatic.unsaved.${ANA}.${id(2)}`, '{"text": 5}');
  expect(readUnsaved(ANA, id(1))).toBeUndefined();
  expect(readUnsaved(ANA, id(2))).toBeUndefined();
  vi.stubGlobal("localStorage", storageOf(0));
  expect(() => keepUnsaved(ANA, id(3), { text: "x", revision: 1 })).not.toThrow();
});
