import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "./client";

export const readiness = queryOptions({
  queryKey: ["readiness"],
  queryFn: ({ signal }) => ask(api.GET("/readyz", { signal })),
  refetchInterval: 10_000,
});

/** The server's version, which its description says. */
export const serverVersion = queryOptions({
  queryKey: ["version"],
  queryFn: async ({ signal }) => {
    const description = await ask(api.GET("/api/openapi.json", { signal }));
    const { info } = description as { info?: { version?: unknown } };
    return typeof info?.version === "string" ? info.version : "";
  },
  staleTime: Number.POSITIVE_INFINITY,
});
