import type { Starter } from "./starters";

/** What of the list is shown, as the address has it. */
export interface WorkflowSearch {
  search?: string | undefined;
  active?: boolean | undefined;
  /** A new workflow is being made, with this start. */
  make?: Starter | undefined;
}

const STARTERS: readonly Starter[] = ["webhook", "schedule", "manual"];

export function readWorkflowSearch(from: Record<string, unknown>): WorkflowSearch {
  const search =
    typeof from.search === "string" || typeof from.search === "number" ? String(from.search) : "";
  return {
    search: search === "" ? undefined : search.slice(0, 200),
    active: typeof from.active === "boolean" ? from.active : undefined,
    make: STARTERS.find((starter) => starter === from.make),
  };
}
