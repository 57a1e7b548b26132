import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { workflows as texts } from "../../text/workflows";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusIcon } from "../../ui/StatusBadge";

/** The newest execution of a workflow. */
export function LastRun({ last }: { last: Schemas["LastExecution"] | undefined }) {
  if (last === undefined)
    return (
      <span className="faint">
        <span className="narrow-only">{texts.columns.lastRun}: </span>
        {texts.never}
      </span>
    );
  return (
    <Link to="/executions/$id" params={{ id: last.id }} className="last-run above">
      <StatusIcon status={last.status} />
      <span className="narrow-only">{texts.columns.lastRun}</span>
      <RelativeTime time={last.started_at} />
    </Link>
  );
}
