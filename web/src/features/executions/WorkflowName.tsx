import { useQuery } from "@tanstack/react-query";
import { workflowNames, workflowOf } from "../../api/workflows";
import { executions as texts } from "../../text/executions";

/** The name of an execution's workflow, by its id. */
export function useWorkflowName(id: string): string {
  const names = useQuery(workflowNames);
  const known = names.data?.get(id);
  const one = useQuery({
    ...workflowOf(id),
    enabled: names.isSuccess && known === undefined,
    staleTime: 300_000,
    retry: false,
  });
  if (known !== undefined) return known;
  if (one.data !== undefined) return one.data.name;
  return one.isError ? texts.unknownWorkflow : "…";
}

export function WorkflowName({ id }: { id: string }) {
  return useWorkflowName(id);
}
