import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { executionList, newestExecutions } from "../../api/executions";
import { merge, type Pages } from "./merge";
import { type ExecutionSearch, filterOf } from "./search";

/** How often the newest are asked for. */
const AGAIN = 3_000;
/** Who has scrolled further down than this reads, and must not be disturbed. */
const TOP = 80;

/** The executions that fit, live: new ones come in at the top, and those in sight end. */
export function useExecutions(search: ExecutionSearch) {
  const queries = useQueryClient();
  const filter = useMemo(() => filterOf(search), [search]);
  const options = useMemo(() => executionList(filter), [filter]);
  const list = useInfiniteQuery(options);
  const newest = useQuery({
    ...newestExecutions(filter),
    enabled: list.isSuccess && !list.isPlaceholderData,
    refetchInterval: AGAIN,
    staleTime: AGAIN,
  });
  const [held, setHeld] = useState(0);
  const { data: arrived } = newest;
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
  const showNew = useCallback(() => {
    scrollTo({ top: 0 });
    bringIn(true);
  }, [bringIn]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data) ?? [], [list.data]);
  return { list, rows, held, showNew, isLive: newest.isSuccess && !newest.isError };
}
