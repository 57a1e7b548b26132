export interface ConnectorSearch {
  search?: string | undefined;
}

export function readConnectorSearch(from: Record<string, unknown>): ConnectorSearch {
  return {
    search: typeof from.search === "string" && from.search !== "" ? from.search.slice(0, 200) : undefined,
  };
}
