import { queryOptions } from "@tanstack/react-query";
import { api, askList } from "./client";

/** All types of nodes: few, and the same as long as the server runs. */
export const connectorList = queryOptions({
  queryKey: ["connectors"],
  queryFn: ({ signal }) => askList(api.GET("/api/v1/connectors", { signal })),
  staleTime: 10 * 60_000,
});
