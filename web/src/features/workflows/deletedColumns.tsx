import { Undo2 } from "lucide-react";
import type { Schemas } from "../../api/client";
import { shown } from "../../text/shown";
import { dayOf, exactly } from "../../text/time";
import { workflows as texts } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { RelativeTime } from "../../ui/RelativeTime";
import type { Column } from "../../ui/Table";
import { LastRun } from "./LastRun";

type Row = Schemas["WorkflowSummary"];

/** How long the server keeps one, as the API's description says. */
const RESTORABLE = 30 * 24 * 3_600_000;

/** Of the list of deleted workflows: they cannot be opened, only brought back. */
export function deletedColumns(restore: (workflow: Row) => void, mayWrite: boolean): Column<Row>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "name",
      title: titles.name,
      width: "minmax(0, 1fr)",
      narrow: "main",
      cell: (row) => (
        <div className="workflow-name">
          <span className="deleted-name cut" title={shown(row.name)}>
            {shown(row.name)}
          </span>
          {row.description !== undefined && <span className="cut faint">{shown(row.description)}</span>}
        </div>
      ),
    },
    {
      name: "last",
      title: titles.lastRun,
      width: "132px",
      narrow: "hidden",
      cell: (row) => <LastRun last={row.last_execution} />,
    },
    {
      name: "deleted",
      title: titles.deleted,
      width: "116px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint">{row.deleted_at && <RelativeTime time={row.deleted_at} />}</span>
      ),
    },
    {
      name: "until",
      title: titles.until,
      width: "140px",
      cell: (row) => <span className="faint">{row.deleted_at && <Until deletedAt={row.deleted_at} />}</span>,
    },
    {
      name: "restore",
      title: titles.restore,
      isTitleUnseen: true,
      width: "100px",
      align: "end",
      narrow: "end",
      cell: (row) => (
        <Button
          size="dense"
          icon={<Undo2 size={14} aria-hidden />}
          aria-label={texts.restoreFor(row.name)}
          disabledBecause={mayWrite ? undefined : texts.because.mayNotWrite}
          onClick={() => restore(row)}
        >
          {texts.restore}
        </Button>
      ),
    },
  ];
}

function Until({ deletedAt }: { deletedAt: string }) {
  const end = new Date(Date.parse(deletedAt) + RESTORABLE).toISOString();
  return (
    <time dateTime={end} title={exactly(end)}>
      {texts.until(dayOf(end, Date.now()))}
    </time>
  );
}
