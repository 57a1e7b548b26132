import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client";

export const readiness = queryOptions({
  queryKey: ["readiness"],
  queryFn: ({ signal }) => ask(api.GET("/readyz", { signal })),
  refetchInterval: 10_000,
});

/** What it is, how it is set, and how much it holds. */
export const about = queryOptions({
  queryKey: ["about"],
  queryFn: ({ signal }) => ask(api.GET("/api/v1/about", { signal })),
  refetchInterval: 30_000,
});
