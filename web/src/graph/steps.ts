// The steps of an execution as a tree: what ran inside a loop hangs below its iteration, and that below the loop.

import type { Schemas } from "../api/client";

/** A step that has begun and is not decided. */
export type OpenStep = Schemas["StepEvent"];

/** Whether an open step does something, or waits: for a time, for its next attempt, for a person, for what it called. */
export function standingOf(step: OpenStep): "RUNNING" | "WAITING" {
  const isWaiting = step.due_at !== undefined || step.called !== undefined || step.type === "flow.wait";
  return isWaiting ? "WAITING" : "RUNNING";
}

/** Whether anything of it ran. What was cancelled in the queue, or never let in, took no time. */
export function hasBegun({ status, steps }: Pick<Schemas["Execution"], "status" | "steps">): boolean {
  return (
    status !== "QUEUED" && (status !== "CANCELLED" || steps.some((step) => step.started_at !== undefined))
  );
}

export interface StepNode {
  /** As the API has it: `each`, its iteration `each[3]`, a step inside `each[3]/send`. */
  path: string;
  /** The node's key, or the index of an iteration. */
  key: string;
  index: number | undefined;
  /** Missing while it is not decided. */
  step: Schemas["Step"] | undefined;
  /** Missing where it is decided, or nothing is known of it. */
  open: OpenStep | undefined;
  children: StepNode[];
}

export function stepTree(steps: readonly Schemas["Step"][], open: readonly OpenStep[] = []): StepNode[] {
  const roots: StepNode[] = [];
  const known = new Map<string, StepNode>();
  const find = (path: string): StepNode => {
    const there = known.get(path);
    if (there !== undefined) return there;
    const [parent, key, index] = split(path);
    const made: StepNode = { path, key, index, step: undefined, open: undefined, children: [] };
    known.set(path, made);
    (parent === undefined ? roots : find(parent).children).push(made);
    return made;
  };
  for (const step of steps) find(step.path).step = step;
  for (const step of open) {
    const node = find(step.path);
    if (node.step === undefined) node.open = step;
  }
  for (const node of known.values()) {
    // Those that ran side by side are decided in any order.
    if (node.children.some((child) => child.index !== undefined)) {
      node.children.sort((one, other) => (one.index ?? 0) - (other.index ?? 0));
    }
  }
  return roots;
}

/** The path above, the last key, and its index where the path is of an iteration. */
function split(path: string): [parent: string | undefined, key: string, index: number | undefined] {
  const iteration = /^(.*)\[(\d+)\]$/.exec(path);
  if (iteration !== null) {
    const [, loop = "", index = "0"] = iteration;
    return [loop, loop.slice(loop.lastIndexOf("/") + 1), Number(index)];
  }
  const slash = path.lastIndexOf("/");
  return slash === -1
    ? [undefined, path, undefined]
    : [path.slice(0, slash), path.slice(slash + 1), undefined];
}

/** Which turn of a loop a path is, counted from 0; nothing where it is a step. */
export function iterationOf(path: string): number | undefined {
  return split(path)[2];
}

export interface Span {
  /** Parts of the whole, from 0 to 1. */
  start: number;
  length: number;
}

export interface Timed {
  started_at?: string | undefined;
  finished_at?: string | undefined;
}

/** Where a step's time lies in that of its execution. */
export function spanOf(step: Timed, from: number, to: number, now: number): Span | undefined {
  if (step.started_at === undefined) return undefined;
  const whole = Math.max(1, to - from);
  const start = clamp((Date.parse(step.started_at) - from) / whole);
  const end = step.finished_at === undefined ? now : Date.parse(step.finished_at);
  return { start, length: clamp((end - from) / whole) - start };
}

/** When a step began, with its first try, and ended; of an iteration, which has no times of its own, when the first and the last inside it did. */
export function timeOf(node: StepNode): Timed {
  const { step, open } = node;
  const own = step === undefined ? open : { ...step, started_at: step.began_at ?? step.started_at };
  if (own?.started_at !== undefined || node.children.length === 0) return own ?? {};
  const inside = node.children.map(timeOf).filter((time) => time.started_at !== undefined);
  // Times of the API are written alike: the order of their texts is theirs.
  const started = inside.map((time) => time.started_at ?? "").sort();
  const finished = inside.flatMap((time) => time.finished_at ?? []).sort();
  const isOver = node.step !== undefined || finished.length === inside.length;
  return { started_at: started[0], finished_at: isOver ? finished.at(-1) : undefined };
}

function clamp(part: number): number {
  return Math.min(1, Math.max(0, part));
}

/** The paths above one: those to open so that it is seen. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let [above] = split(path); above !== undefined; [above] = split(above)) found.push(above);
  return found;
}
