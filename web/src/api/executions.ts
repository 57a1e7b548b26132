import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, ask, askList, type Schemas } from "./client";
import { Failure } from "./failure";

export interface ExecutionFilter {
  workflow_id?: string | undefined;
  status?: Schemas["ExecutionStatus"][] | undefined;
  mode?: Schemas["ExecutionMode"] | undefined;
  trigger?: string | undefined;
  /** An id, or how it begins. */
  search?: string | undefined;
  started_after?: string | undefined;
}

const PAGE = 100;

export const executionsKey = ["executions"] as const;

const page = (filter: ExecutionFilter, cursor: string | undefined, limit: number, signal: AbortSignal) =>
  // Lists of values go with commas, as the API's description allows.
  askList(
    api.GET("/api/v1/executions", {
      params: { query: { ...filter, cursor, limit } },
      querySerializer: { array: { style: "form", explode: false } },
      signal,
    }),
  );

/** All of them, page by page. It is not asked for again: what is new comes by [`newestExecutions`]. */
export function executionList(filter: ExecutionFilter) {
  return infiniteQueryOptions({
    queryKey: [...executionsKey, "list", filter],
    queryFn: ({ pageParam, signal }) => page(filter, pageParam, PAGE, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    // Comparing a hundred thousand rows with each page that comes would take longer than the page.
    structuralSharing: false,
    placeholderData: keepPreviousData,
  });
}

export function newestExecutions(filter: ExecutionFilter, limit = PAGE) {
  return queryOptions({
    queryKey: [...executionsKey, "newest", filter, limit],
    queryFn: ({ signal }) => page(filter, undefined, limit, signal),
  });
}

/** Without what its steps were given and made, which may be megabytes: [`stepOf`] has that of one. */
export function executionOf(id: string) {
  return queryOptions({
    queryKey: [...executionsKey, "one", id],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/api/v1/executions/{id}", { params: { path: { id }, query: { without: "data" } }, signal }),
      ),
  });
}

/** A decided step with what it was given and made. Nothing of it changes any more. */
export function stepOf(id: string, step: Pick<Schemas["Step"], "path" | "finished_at" | "attempts">) {
  const { path } = step;
  return queryOptions({
    queryKey: [...executionsKey, "step", id, path, step.finished_at ?? step.attempts],
    queryFn: async ({ signal }) => {
      const params = { path: { id }, query: { path } };
      const found = await ask(api.GET("/api/v1/executions/{id}/step", { params, signal }));
      // What is no step would be shown as one that made nothing.
      if (found.path !== path) throw new Failure("wrong", "the answer is not the step that was asked for");
      return found;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

const FINAL: readonly string[] = [
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
] satisfies Schemas["ExecutionStatus"][];

export function isFinal(status: Schemas["ExecutionStatus"]): boolean {
  return FINAL.includes(status);
}

export function retryExecution(id: string, from: Schemas["RetryFrom"]) {
  return ask(api.POST("/api/v1/executions/{id}/retry", { params: { path: { id } }, body: { from } }));
}

export function cancelExecution(id: string) {
  return ask(api.POST("/api/v1/executions/{id}/cancel", { params: { path: { id } } }));
}
