import type { Schemas } from "../../api/client";
import type { Starter } from "./starters";

/** What of the list is shown, as the address has it. */
export interface WorkflowSearch {
  search?: string | undefined;
  status?: Schemas["WorkflowStatus"] | undefined;
  /** The newest first where missing. */
  sort?: Exclude<Schemas["WorkflowSort"], "created_at"> | undefined;
  /** A new workflow is being made, with this start. */
  make?: Starter | undefined;
}

const STATUSES = [
  "published",
  "draft",
  "off",
  "deleted",
] as const satisfies readonly Schemas["WorkflowStatus"][];
const SORTS = ["name", "updated_at"] as const;
const STARTERS: readonly Starter[] = ["webhook", "schedule", "manual"];

export function readWorkflowSearch(from: Record<string, unknown>): WorkflowSearch {
  const search =
    typeof from.search === "string" || typeof from.search === "number" ? String(from.search) : "";
  return {
    search: search === "" ? undefined : search.slice(0, 200),
    status: STATUSES.find((status) => status === from.status),
    sort: SORTS.find((sort) => sort === from.sort),
    make: STARTERS.find((starter) => starter === from.make),
  };
}
