import type { Schemas } from "../../api/client";
import type { ExecutionFilter } from "../../api/executions";

/** The statuses as one asks for them: to those who look for what failed, time-outs have failed. */
export const STATUS_GROUPS = {
  running: ["RUNNING"],
  queued: ["QUEUED"],
  waiting: ["WAITING"],
  completed: ["COMPLETED"],
  failed: ["FAILED", "TIMED_OUT"],
  cancelled: ["CANCELLED"],
} as const satisfies Record<string, readonly Schemas["ExecutionStatus"][]>;

export type StatusGroup = keyof typeof STATUS_GROUPS;

export const MODES = [
  "webhook",
  "manual",
  "schedule",
  "retry",
  "call",
  "error",
] as const satisfies readonly Schemas["ExecutionMode"][];

/** How far back, in milliseconds. */
export const SPANS = {
  "1h": 3_600_000,
  "24h": 86_400_000,
  "7d": 7 * 86_400_000,
  "30d": 30 * 86_400_000,
} as const;

export type Span = keyof typeof SPANS;

/** What of the list is shown, as the address has it. */
export interface ExecutionSearch {
  /** An execution's id, or how it begins. */
  search?: string | undefined;
  status?: StatusGroup | undefined;
  workflow?: string | undefined;
  mode?: (typeof MODES)[number] | undefined;
  since?: Span | undefined;
}

export function readExecutionSearch(from: Record<string, unknown>): ExecutionSearch {
  // An id may begin like a number, and is read as one.
  const search =
    typeof from.search === "string" || typeof from.search === "number" ? String(from.search).trim() : "";
  return {
    search: search === "" ? undefined : search.slice(0, LONGEST),
    status: oneOf(Object.keys(STATUS_GROUPS) as StatusGroup[], from.status),
    workflow:
      typeof from.workflow === "string" && /^[0-9a-f-]{36}$/i.test(from.workflow) ? from.workflow : undefined,
    mode: oneOf(MODES, from.mode),
    since: oneOf(Object.keys(SPANS) as Span[], from.since),
  };
}

const MINUTE = 60_000;
/** The least that the API looks for, and the most. */
export const SHORTEST = 4;
const LONGEST = 200;

/** As the API has it. */
export function filterOf({ search, status, workflow, mode, since }: ExecutionSearch): ExecutionFilter {
  // To the minute, so that the same filter is the same question.
  const now = Math.floor(Date.now() / MINUTE) * MINUTE;
  return {
    status: status && [...STATUS_GROUPS[status]],
    workflow_id: workflow,
    search: search !== undefined && search.length >= SHORTEST ? search.toLowerCase() : undefined,
    mode,
    started_after: since && new Date(now - SPANS[since]).toISOString(),
  };
}

/** Which part of an execution is looked at. */
export interface ExecutionView {
  /** The path of a step; the execution as a whole where missing. */
  step?: string | undefined;
}

export function readExecutionView(from: Record<string, unknown>): ExecutionView {
  return { step: typeof from.step === "string" ? from.step.slice(0, 1000) : undefined };
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T | undefined {
  return known.find((one) => one === value);
}
