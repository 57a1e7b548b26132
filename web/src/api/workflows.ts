import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, ask, type Schemas } from "./client";

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
      ask(
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
      ask(
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

export function publishWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/publish", { params: { path: { id } }, body: {} }));
}

/** Switches the triggers of the published version on; the draft is left alone. */
export function activateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/activate", { params: { path: { id } } }));
}

export function deactivateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/deactivate", { params: { path: { id } } }));
}

export function deleteWorkflow(id: string) {
  return ask(api.DELETE("/api/v1/workflows/{id}", { params: { path: { id } } }));
}

/** Takes a deletion of the last 30 days back. */
export function restoreWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/restore", { params: { path: { id } } }));
}

export function duplicateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/duplicate", { params: { path: { id } }, body: {} }));
}

export function exportWorkflow(id: string) {
  return ask(api.GET("/api/v1/workflows/{id}/export", { params: { path: { id } } }));
}

/** `file` is checked by the server, which says what is wrong with it. */
export function importWorkflows(file: Schemas["WorkflowFile"]) {
  return ask(api.POST("/api/v1/workflows/import", { body: file }));
}

export function createWorkflow(workflow: Schemas["WorkflowCreate"]) {
  return ask(api.POST("/api/v1/workflows", { body: workflow }));
}

export function executeWorkflow(id: string, input: Record<string, unknown>) {
  return ask(api.POST("/api/v1/workflows/{id}/execute", { params: { path: { id } }, body: { input } }));
}

export function saveWorkflow(id: string, update: Schemas["WorkflowUpdate"]) {
  return ask(api.PUT("/api/v1/workflows/{id}", { params: { path: { id } }, body: update }));
}

export function validateGraph(graph: Schemas["Graph"], signal?: AbortSignal) {
  return ask(api.POST("/api/v1/workflows/validate", { body: { graph }, signal }));
}
