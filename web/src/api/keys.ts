import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, ask, askList, type Schemas } from "./client";

const PAGE = 100;

export const keysKey = ["keys"] as const;

export const keyList = infiniteQueryOptions({
  queryKey: keysKey,
  queryFn: ({ pageParam, signal }) =>
    askList(api.GET("/api/v1/keys", { params: { query: { cursor: pageParam, limit: PAGE } }, signal })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export function createKey(key: Schemas["ApiKeyCreate"]) {
  return ask(api.POST("/api/v1/keys", { body: key }));
}

export function deleteKey(id: string) {
  return ask(api.DELETE("/api/v1/keys/{id}", { params: { path: { id } } }));
}
