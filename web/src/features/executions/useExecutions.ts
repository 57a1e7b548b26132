import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { executionList, newestExecutions } from "../../api/executions";
import { watch } from "../../api/watch";
import { merge, type Pages, update } from "./merge";
import { type ExecutionSearch, filterOf } from "./search";

/** How often the newest are asked for: where events come, for what none told, as where more happens than is told. */
const AGAIN = 3_000;
const AGAIN_BESIDE_EVENTS = 10_000;
/** Events that come close together are one reason to ask. */
const PAUSE = 250;
/** Who has scrolled further down than this reads, and must not be disturbed. */
const TOP = 80;

type Event = Schemas["ExecutionEvent"];

/** The executions that fit, live: new ones come in at the top, and those in sight end. */
export function useExecutions(search: ExecutionSearch) {
  const queries = useQueryClient();
  const filter = useMemo(() => filterOf(search), [search]);
  const options = useMemo(() => executionList(filter), [filter]);
  const list = useInfiniteQuery(options);
  const [isLive, setIsLive] = useState(false);
  const newest = useQuery({
    ...newestExecutions(filter),
    enabled: list.isSuccess && !list.isPlaceholderData,
    refetchInterval: isLive ? AGAIN_BESIDE_EVENTS : AGAIN,
    staleTime: AGAIN,
  });
  const [held, setHeld] = useState(0);
  const { data: arrived, refetch } = newest;
  const bringIn = useCallback(
    (mayPrepend: boolean) => {
      const pages = queries.getQueryData<Pages>(options.queryKey);
      if (arrived === undefined || pages === undefined) return;
      const merged = merge(pages, arrived, mayPrepend);
      if (merged.pages !== pages) queries.setQueryData<Pages>(options.queryKey, merged.pages);
      setHeld(merged.held);
    },
    [arrived, queries, options],
  );
  useEffect(() => bringIn(scrollY < TOP), [bringIn]);
  const { workflow } = search;
  useEffect(() => {
    const end = new AbortController();
    const told = new Map<string, Schemas["ExecutionSummary"]>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const take = () => {
      timer = undefined;
      const pages = queries.getQueryData<Pages>(options.queryKey);
      if (pages !== undefined) {
        const updated = update(pages, told);
        if (updated !== pages) queries.setQueryData<Pages>(options.queryKey, updated);
      }
      told.clear();
      // The server says which of them fit.
      void refetch();
    };
    const onEvent = (_name: string, data: unknown) => {
      const execution = (data as Partial<Event> | null | undefined)?.execution;
      if (execution !== undefined) told.set(execution.id, execution);
      timer ??= setTimeout(take, PAUSE);
    };
    const query = workflow === undefined ? "" : `?workflow_id=${workflow}`;
    void watch(`/api/v1/executions/events${query}`, { onEvent, onState: setIsLive }, end.signal);
    return () => {
      end.abort();
      clearTimeout(timer);
    };
  }, [workflow, options, queries, refetch]);
  const showNew = useCallback(() => {
    scrollTo({ top: 0 });
    bringIn(true);
  }, [bringIn]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data) ?? [], [list.data]);
  return { list, rows, held, showNew, isLive: newest.isSuccess && !newest.isError };
}
