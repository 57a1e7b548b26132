import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { executionOf, isFinal } from "../../api/executions";
import { watch } from "../../api/watch";

/** How often it is asked for while no events come. */
const AGAIN = 1_500;
/** Events that come close together are one reason to ask. */
const PAUSE = 250;

/** An execution with its steps, as it goes on. */
export function useExecution(id: string) {
  const queries = useQueryClient();
  const [isLive, setIsLive] = useState(false);
  const options = executionOf(id);
  const found = useQuery({
    ...options,
    refetchInterval: ({ state }) =>
      state.data !== undefined && !isFinal(state.data.status) && !isLive ? AGAIN : false,
  });
  const isOpen = found.data !== undefined && !isFinal(found.data.status);
  useEffect(() => {
    if (!isOpen) return;
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: executionOf(id).queryKey });
      }, PAUSE);
    };
    void watch(`/api/v1/executions/${id}/events`, { onEvent: refresh, onState: setIsLive }, end.signal);
    return () => {
      end.abort();
      clearTimeout(timer);
    };
  }, [id, isOpen, queries]);
  return found;
}
