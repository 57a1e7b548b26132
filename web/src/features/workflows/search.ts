/** What of the list is shown, as the address has it. */
export interface WorkflowSearch {
  search?: string | undefined;
  active?: boolean | undefined;
}

export function readWorkflowSearch(from: Record<string, unknown>): WorkflowSearch {
  const search =
    typeof from.search === "string" || typeof from.search === "number" ? String(from.search) : "";
  return {
    search: search === "" ? undefined : search.slice(0, 200),
    active: typeof from.active === "boolean" ? from.active : undefined,
  };
}
