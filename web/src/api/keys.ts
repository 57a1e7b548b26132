import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, ask, type Schemas } from "./client";

const PAGE = 100;

export const keysKey = ["keys"] as const;

export const keyList = infiniteQueryOptions({
  queryKey: keysKey,
  queryFn: ({ pageParam, signal }) =>
    ask(api.GET("/api/v1/keys", { params: { query: { cursor: pageParam, limit: PAGE } }, signal })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

/** The scopes that an operation needs. The others are for what the server does not do yet: no key is offered them. */
export const usedScopes = [
  "workflows:read",
  "workflows:write",
  "workflows:execute",
  "executions:read",
  "executions:write",
  "keys:manage",
  "workspace:admin",
] as const satisfies readonly Schemas["Scope"][];

export function createKey(key: Schemas["ApiKeyCreate"]) {
  return ask(api.POST("/api/v1/keys", { body: key }));
}

export function deleteKey(id: string) {
  return ask(api.DELETE("/api/v1/keys/{id}", { params: { path: { id } } }));
}
