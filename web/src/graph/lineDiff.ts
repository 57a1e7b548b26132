// What is different between two texts, by lines: the shortest way from one to the other (Myers, 1986).

/** A line that both have, or only one of them. */
export interface DiffLine {
  kind: "both" | "before" | "after";
  text: string;
}

/** Beyond so many differing lines the texts have little in common: what is between their common ends is told as a whole. */
const MOST = 2_000;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end])
    end += 1;
  const of = (kind: DiffLine["kind"]) => (text: string) => ({ kind, text });
  return [
    ...a.slice(0, start).map(of("both")),
    ...between(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(of("both")),
  ];
}

function between(a: readonly string[], b: readonly string[]): DiffLine[] {
  const steps = a.length > 0 && b.length > 0 ? furthest(a, b) : undefined;
  if (steps === undefined) {
    const removed = a.map((text): DiffLine => ({ kind: "before", text }));
    return [...removed, ...b.map((text): DiffLine => ({ kind: "after", text }))];
  }
  // Back from the end, step by step.
  const found: DiffLine[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = steps.length - 1; d >= 0; d -= 1) {
    const reached = steps[d] as Int32Array;
    const at = (k: number) => reached[k + d + 1] as number;
    const k = x - y;
    const isDown = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const fromK = isDown ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(fromK);
    const fromY = d === 0 ? 0 : fromX - fromK;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      found.push({ kind: "both", text: a[x] as string });
    }
    if (d > 0) {
      if (isDown) found.push({ kind: "after", text: b[fromY] as string });
      else found.push({ kind: "before", text: a[fromX] as string });
      x = fromX;
      y = fromY;
    }
  }
  return found.reverse();
}

/** Before each number of differences, how far each diagonal from -d - 1 to d + 1 had come; undefined beyond the most. */
function furthest(a: readonly string[], b: readonly string[]): Int32Array[] | undefined {
  const most = Math.min(a.length + b.length, MOST);
  const reach = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const steps: Int32Array[] = [];
  for (let d = 0; d <= most; d += 1) {
    steps.push(reach.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const [left, right] = [reach[middle + k - 1] as number, reach[middle + k + 1] as number];
      let x = k === -d || (k !== d && left < right) ? right : left + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return steps;
    }
  }
  return undefined;
}

/** A part of a comparison: lines, or so many that both have and nobody needs to see. */
export type DiffPart = DiffLine | { kind: "hidden"; count: number };

/** Around what is different so many lines that both have; of the others only how many they are. */
export function around(lines: readonly DiffLine[], context = 3): DiffPart[] {
  const isNear = new Uint8Array(lines.length);
  lines.forEach(({ kind }, at) => {
    if (kind !== "both") isNear.fill(1, Math.max(0, at - context), at + context + 1);
  });
  const parts: DiffPart[] = [];
  for (const [at, line] of lines.entries()) {
    const last = parts.at(-1);
    if (isNear[at] === 1) parts.push(line);
    else if (last?.kind === "hidden") last.count += 1;
    else parts.push({ kind: "hidden", count: 1 });
  }
  return parts;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
