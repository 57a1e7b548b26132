import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { executionOf, isFinal } from "../../api/executions";
import { watch } from "../../api/watch";
import { after, type OpenSteps, together } from "./openSteps";

const NONE: OpenSteps = new Map();
/** How often it is asked for while no events come. */
const AGAIN = 1_500;
/** Events that come close together are one reason to ask. */
const PAUSE = 250;

/** An execution with its steps, as it goes on, and what is under way. */
export function useExecution(id: string) {
  const queries = useQueryClient();
  const [isLive, setIsLive] = useState(false);
  const [told, setTold] = useState<OpenSteps>(NONE);
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
    let now = NONE;
    let isDecided = false;
    const onEvent = (name: string, data: unknown) => {
      now = after(now, name, data);
      // What merely began is not in the execution yet.
      isDecided ||= name !== "step.started";
      timer ??= setTimeout(() => {
        timer = undefined;
        setTold(now);
        if (isDecided) void queries.invalidateQueries({ queryKey: executionOf(id).queryKey });
        isDecided = false;
      }, PAUSE);
    };
    const onState = (live: boolean) => {
      setIsLive(live);
      // Each stream begins with what is under way.
      now = NONE;
    };
    void watch(`/api/v1/executions/${id}/events`, { onEvent, onState }, end.signal);
    return () => {
      end.abort();
      clearTimeout(timer);
      setTold(NONE);
    };
  }, [id, isOpen, queries]);
  const known = found.data?.under_way;
  const open = useMemo(() => together(known ?? [], told), [known, told]);
  return { found, open };
}
