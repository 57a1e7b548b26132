import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, askList } from "./client";

const PAGE = 100;

export const schedulesKey = ["schedules"] as const;

export const scheduleList = infiniteQueryOptions({
  queryKey: [...schedulesKey, "list"],
  queryFn: ({ pageParam, signal }) =>
    askList(api.GET("/api/v1/schedules", { params: { query: { cursor: pageParam, limit: PAGE } }, signal })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  refetchInterval: 15_000,
});

/** In plain words, with its next ten times. */
export function schedulePreview(parameters: Record<string, unknown>) {
  return queryOptions({
    queryKey: [...schedulesKey, "preview", parameters],
    queryFn: ({ signal }) => ask(api.POST("/api/v1/schedules/preview", { body: parameters, signal })),
    staleTime: 60_000,
  });
}

export function pauseSchedule(id: string, isPaused: boolean) {
  const params = { path: { id } };
  return isPaused
    ? ask(api.POST("/api/v1/schedules/{id}/pause", { params }))
    : ask(api.POST("/api/v1/schedules/{id}/resume", { params }));
}

export function runSchedule(id: string) {
  return ask(api.POST("/api/v1/schedules/{id}/run", { params: { path: { id } } }));
}
