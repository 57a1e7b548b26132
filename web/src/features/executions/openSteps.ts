import type { Schemas } from "../../api/client";
import type { OpenStep } from "../../graph/steps";

export type OpenSteps = ReadonlyMap<string, OpenStep>;

const BEGINS: readonly string[] = [
  "step.started",
  "step.retried",
  "step.waiting",
] satisfies Schemas["EventKind"][];

/** What is under way after an event of the API. */
export function after(open: OpenSteps, name: string, data: unknown): OpenSteps {
  const step = (data as { step?: OpenStep } | null | undefined)?.step;
  if (typeof step?.path !== "string") return open;
  const next = new Map(open);
  if (BEGINS.includes(name)) next.set(step.path, step);
  else next.delete(step.path);
  return next;
}

/** What an answer says is under way, with what events have told since. Of one attempt both say something. */
export function together(known: readonly OpenStep[], told: OpenSteps): readonly OpenStep[] {
  const all = new Map(known.map((step) => [step.path, step]));
  for (const step of told.values()) {
    const before = all.get(step.path);
    all.set(step.path, before?.attempts === step.attempts ? { ...before, ...step } : step);
  }
  return [...all.values()];
}
