// Apart from the questions, which are loaded with every screen.

import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Schemas } from "./client";
import { keyList } from "./keys";

/** The list, all of it where one looks for those of one person: the API does not narrow it down. */
export function useKeys({ isAllowed, isWhole }: { isAllowed: boolean; isWhole: boolean }) {
  const list = useInfiniteQuery({ ...keyList, enabled: isAllowed });
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = list;
  useEffect(() => {
    if (isWhole && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [isWhole, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);
  return list;
}

/** Whether a person has made it. */
export function isMadeBy(key: Schemas["ApiKey"], user: number): boolean {
  return key.created_by?.type === "user" && key.created_by.id === String(user);
}
