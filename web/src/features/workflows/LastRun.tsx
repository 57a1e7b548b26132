import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { newestExecutions } from "../../api/executions";
import { workflows as texts } from "../../text/workflows";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusIcon } from "../../ui/StatusBadge";

const AGAIN = 10_000;

/** The newest execution of a workflow. */
export function LastRun({ id }: { id: string }) {
  const { data } = useQuery({
    ...newestExecutions({ workflow_id: id }, 1),
    refetchInterval: AGAIN,
    staleTime: AGAIN,
  });
  const last = data?.data[0];
  if (data === undefined) return null;
  if (last === undefined) return <span className="faint">{texts.never}</span>;
  return (
    <Link to="/executions/$id" params={{ id: last.id }} className="last-run above">
      <StatusIcon status={last.status} />
      <RelativeTime time={last.started_at} />
    </Link>
  );
}
