import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Schemas } from "../../api/client";
import { stepOf } from "../../api/executions";

/** Whoever holds an arrow key down wants none of what it passes. */
const REST = 150;

/** Has the data of the steps beside the chosen one ready, so that an arrow key shows it at once. */
export function useNeighbours(id: string, steps: readonly (Schemas["Step"] | undefined)[]): void {
  const queries = useQueryClient();
  const [before, after] = steps.map((step) => (step?.started_at === undefined ? undefined : step));
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const step of [after, before])
        if (step !== undefined) void queries.prefetchQuery({ ...stepOf(id, step), retry: false });
    }, REST);
    return () => clearTimeout(timer);
  }, [id, before, after, queries]);
}
