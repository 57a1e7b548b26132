import { Link } from "@tanstack/react-router";
import { CalendarClock, CirclePlay, type LucideIcon, Webhook } from "lucide-react";
import type { Schemas } from "../../api/client";
import { shown } from "../../text/shown";
import { workflows as texts } from "../../text/workflows";
import { Chip } from "../../ui/Chip";
import { RelativeTime } from "../../ui/RelativeTime";
import { Switch } from "../../ui/Switch";
import type { Column } from "../../ui/Table";
import { LastRun } from "./LastRun";
import { WorkflowMenu } from "./WorkflowMenu";

type Row = Schemas["WorkflowSummary"];

const ICONS: Record<string, LucideIcon> = { webhook: Webhook, schedule: CalendarClock, manual: CirclePlay };

/** Of the list of workflows. */
export function columns(
  turn: (workflow: Row, isOn: boolean) => Promise<unknown>,
  run: (workflow: Row) => void,
  mayWrite: boolean,
): Column<Row>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "name",
      title: titles.name,
      width: "minmax(0, 1fr)",
      narrow: "main",
      cell: (row) => (
        <div className="workflow-name">
          <Link to="/workflows/$id" params={{ id: row.id }} className="row-link cut" title={shown(row.name)}>
            {shown(row.name)}
          </Link>
          {row.description !== undefined && <span className="cut faint">{shown(row.description)}</span>}
        </div>
      ),
    },
    {
      name: "state",
      title: titles.state,
      width: "136px",
      narrow: "hidden",
      cell: (row) =>
        row.version === undefined ? (
          <Chip tone="warning">{texts.state.draft}</Chip>
        ) : (
          <span className="workflow-state">
            <Chip>{texts.state.published(row.version)}</Chip>
            {row.has_changes && (
              <span className="faint" title={texts.changedHint}>
                {texts.state.changed}
              </span>
            )}
          </span>
        ),
    },
    {
      name: "trigger",
      title: titles.trigger,
      width: "120px",
      narrow: "hidden",
      cell: (row) => <Starts row={row} />,
    },
    {
      name: "last",
      title: titles.lastRun,
      width: "132px",
      cell: (row) => (
        <span className="workflow-last">
          {row.version === undefined && (
            <span className="narrow-only">
              <Chip tone="warning">{texts.state.draft}</Chip>
            </span>
          )}
          <LastRun last={row.last_execution} />
        </span>
      ),
    },
    {
      name: "updated",
      title: titles.updated,
      width: "104px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint">
          <RelativeTime time={row.updated_at} />
        </span>
      ),
    },
    {
      name: "on",
      title: titles.on,
      width: "84px",
      narrow: "end",
      cell: (row) => (
        <div className="workflow-controls">
          <Switch
            label={texts.switchFor(row.name)}
            isOn={row.active}
            disabledBecause={mayWrite ? undefined : texts.because.mayNotWrite}
            onChange={(isOn) => turn(row, isOn)}
          />
          <WorkflowMenu workflow={row} onRun={() => run(row)} />
        </div>
      ),
    },
  ];
}

/** What starts it, once each. */
function Starts({ row }: { row: Row }) {
  const kinds = [...new Set(row.triggers.map((trigger) => trigger.type.replace("trigger.", "")))];
  if (kinds.length === 0) return <span className="faint">{texts.noTrigger}</span>;
  const [first = ""] = kinds;
  const Icon = ICONS[first];
  const names = kinds.map((kind) => texts.starts[kind] ?? kind);
  return (
    <span className="workflow-starts faint" title={names.join(", ")}>
      {Icon !== undefined && <Icon size={14} aria-hidden />}
      {names[0]}
      {kinds.length > 1 && <span aria-hidden>+{kinds.length - 1}</span>}
      <span className="unseen">{names.slice(1).join(", ")}</span>
    </span>
  );
}
