import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, ask, askList, reachLong, type Schemas } from "./client";

export interface WebhookFilter {
  search?: string | undefined;
  /** Only those that take calls, or do not. */
  active?: boolean | undefined;
}

const PAGE = 100;

export const webhooksKey = ["webhooks"] as const;

export function webhookList(filter: WebhookFilter) {
  return infiniteQueryOptions({
    queryKey: [...webhooksKey, "list", filter],
    queryFn: ({ pageParam, signal }) =>
      askList(
        api.GET("/api/v1/webhooks", {
          params: { query: { ...filter, cursor: pageParam, limit: PAGE } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** One of them; with its workflow's revision, as that draft has it. */
export function webhookOf(id: string, revision?: number) {
  return queryOptions({
    queryKey: [...webhooksKey, "one", id, revision],
    queryFn: ({ signal }) => ask(api.GET("/api/v1/webhooks/{id}", { params: { path: { id } }, signal })),
  });
}

/** Calls it as another system would: the server adds the proof that it asks for. */
export function testWebhook(id: string, test: Schemas["WebhookTest"]) {
  return ask(
    api.POST("/api/v1/webhooks/{id}/test", { params: { path: { id } }, body: test, fetch: reachLong }),
  );
}
