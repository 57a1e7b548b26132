import type { OpenStep } from "../../graph/steps";

export type OpenSteps = ReadonlyMap<string, OpenStep>;

const STATUSES: Record<string, OpenStep["status"]> = {
  "step.started": "RUNNING",
  "step.retried": "WAITING",
  "step.waiting": "WAITING",
};

/** What is under way after an event of the API. */
export function after(open: OpenSteps, name: string, data: unknown): OpenSteps {
  const step = (data as { step?: Partial<OpenStep> } | null | undefined)?.step;
  if (typeof step?.path !== "string") return open;
  const next = new Map(open);
  const status = STATUSES[name];
  if (status === undefined) next.delete(step.path);
  else {
    const { path, started_at, due_at } = step;
    next.set(path, {
      path,
      name: step.name ?? path,
      status,
      attempts: step.attempts ?? 1,
      started_at,
      due_at,
    });
  }
  return next;
}
