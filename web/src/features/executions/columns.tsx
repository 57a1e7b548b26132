import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { executions as texts } from "../../text/executions";
import { shown } from "../../text/shown";
import { statuses } from "../../text/statuses";
import { took } from "../../text/time";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusBadge } from "../../ui/StatusBadge";
import type { Column } from "../../ui/Table";

const { columns: titles } = texts;

/** Of what a full workflow drops: nothing of it ran. */
const NEVER_LET_IN = "dropped";

/** What its workflow is called, even if that is deleted. */
export function nameOf({ workflow_name: name }: { workflow_name?: string | undefined }): string {
  return name === undefined ? texts.unknownWorkflow : shown(name);
}

/** Of the list of executions. */
export const columns: Column<Schemas["ExecutionSummary"]>[] = [
  {
    name: "status",
    title: titles.status,
    width: "116px",
    cell: (row) => <StatusBadge status={row.status} />,
  },
  {
    name: "workflow",
    title: titles.workflow,
    width: "minmax(0, 1fr)",
    narrow: "main",
    cell: (row) => (
      <div className="execution-name">
        <Link to="/executions/$id" params={{ id: row.id }} className="row-link cut">
          {nameOf(row)}
        </Link>
        {row.error !== undefined && (
          <span className="cut faint" title={row.error.message}>
            {row.error.message}
          </span>
        )}
      </div>
    ),
  },
  {
    name: "trigger",
    title: titles.trigger,
    width: "minmax(140px, 220px)",
    narrow: "hidden",
    cell: (row) => <StartedBy row={row} />,
  },
  {
    name: "version",
    title: titles.version,
    width: "64px",
    narrow: "hidden",
    cell: (row) => <span className="faint">{texts.version(row.version)}</span>,
  },
  {
    name: "took",
    title: titles.took,
    width: "92px",
    align: "end",
    narrow: "hidden",
    cell: (row) => (
      <span className="faint">
        {row.duration_ms === undefined || row.error?.code === NEVER_LET_IN ? "" : took(row.duration_ms)}
      </span>
    ),
  },
  {
    name: "started",
    title: titles.started,
    width: "116px",
    align: "end",
    narrow: "end",
    cell: (row) => (
      <span className="faint">
        <RelativeTime time={row.started_at} />
      </span>
    ),
  },
];

function StartedBy({ row }: { row: Schemas["ExecutionSummary"] }) {
  const mode = statuses.modes[row.mode] ?? row.mode;
  const at = shown(row.trigger_name ?? row.trigger);
  return (
    <span className="cut faint" title={`${mode}: ${at}`}>
      {mode}
      <span className="started-at"> · {at}</span>
    </span>
  );
}
