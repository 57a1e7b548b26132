import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, ask, askList, type Schemas } from "./client";

export interface WorkflowFilter {
  search?: string | undefined;
  status?: Schemas["WorkflowStatus"] | undefined;
  sort?: Schemas["WorkflowSort"] | undefined;
}

const PAGE = 100;

export const workflowsKey = ["workflows"] as const;

export function workflowList(filter: WorkflowFilter) {
  return infiniteQueryOptions({
    queryKey: [...workflowsKey, "list", filter],
    queryFn: ({ pageParam, signal }) =>
      askList(
        api.GET("/api/v1/workflows", {
          params: { query: { ...filter, cursor: pageParam, limit: PAGE } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** The few newest whose name has this text in it. */
export function workflowsNamed(search: string) {
  return queryOptions({
    queryKey: [...workflowsKey, "named", search],
    queryFn: ({ signal }) =>
      askList(
        api.GET("/api/v1/workflows", {
          params: { query: { search: search || undefined, limit: 8 } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
}

export function workflowOf(id: string) {
  return queryOptions({
    queryKey: [...workflowsKey, "one", id],
    queryFn: ({ signal }) => ask(api.GET("/api/v1/workflows/{id}", { params: { path: { id } }, signal })),
  });
}

/** A published version. It never changes. */
export function versionOf(id: string, number: number) {
  return queryOptions({
    queryKey: [...workflowsKey, "version", id, number],
    queryFn: ({ signal }) =>
      ask(api.GET("/api/v1/workflows/{id}/versions/{number}", { params: { path: { id, number } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Switches the triggers of the published version on; the draft is left alone. */
/** Takes a deletion of the last 30 days back. */
/** `file` is checked by the server, which says what is wrong with it. */
