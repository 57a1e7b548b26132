/** What of the list is shown, as the address has it. */
export interface WebhookSearch {
  search?: string | undefined;
  /** Only those that take calls, or do not. */
  active?: boolean | undefined;
  /** The id of the one that is looked at. */
  open?: string | undefined;
}

export function readWebhookSearch(from: Record<string, unknown>): WebhookSearch {
  const search =
    typeof from.search === "string" || typeof from.search === "number" ? String(from.search) : "";
  return {
    search: search === "" ? undefined : search.slice(0, 200),
    active: typeof from.active === "boolean" ? from.active : undefined,
    open: typeof from.open === "string" && /^[0-9a-f-]{36}$/i.test(from.open) ? from.open : undefined,
  };
}
