import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { executions as texts } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { duration } from "../../text/time";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusBadge } from "../../ui/StatusBadge";
import type { Column } from "../../ui/Table";
import { WorkflowName } from "./WorkflowName";

const { columns: titles } = texts;

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
          <WorkflowName id={row.workflow_id} />
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
    width: "140px",
    narrow: "hidden",
    cell: (row) => <span className="cut faint">{statuses.modes[row.mode] ?? row.mode}</span>,
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
      <span className="faint">{row.duration_ms === undefined ? "" : duration(row.duration_ms)}</span>
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
