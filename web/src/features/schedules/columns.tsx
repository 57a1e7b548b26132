import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { CircleSlash, Clock, Ellipsis, ListChecks, Play, Workflow } from "lucide-react";
import type { Schemas } from "../../api/client";
import { schedulePreview } from "../../api/schedules";
import { schedules as texts } from "../../text/schedules";
import { shown } from "../../text/shown";
import { ago } from "../../text/time";
import { Button } from "../../ui/Button";
import { Menu } from "../../ui/Menu";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusIcon } from "../../ui/StatusBadge";
import { Switch } from "../../ui/Switch";
import type { Column } from "../../ui/Table";

type Schedule = Schemas["Schedule"];

interface Actions {
  turn: (row: Schedule, isOn: boolean) => Promise<unknown>;
  run: (row: Schedule) => void;
  show: (row: Schedule) => void;
  mayNotTurn: string | undefined;
  mayNotRun: string | undefined;
}

/** Of the list of schedules. */
export function columnsOf(actions: Actions): Column<Schedule>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "workflow",
      title: titles.workflow,
      width: "minmax(0, 2fr)",
      narrow: "main",
      cell: (row) => (
        <Link to="/workflows/$id" params={{ id: row.workflow_id }} className="row-link cut">
          {shown(row.workflow_name)}
        </Link>
      ),
    },
    { name: "when", title: titles.when, width: "minmax(0, 4fr)", cell: (row) => <When row={row} /> },
    {
      name: "next",
      title: titles.next,
      width: "120px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint">
          {!row.active ? (
            texts.off
          ) : row.paused ? (
            texts.paused
          ) : row.next_at === undefined ? (
            texts.noNext
          ) : row.waiting > 0 ? (
            <span title={texts.waiting(row.waiting)}>
              <RelativeTime time={row.next_at} /> (+{row.waiting})
            </span>
          ) : (
            <RelativeTime time={row.next_at} />
          )}
        </span>
      ),
    },
    {
      name: "last",
      title: titles.last,
      width: "132px",
      narrow: "hidden",
      cell: (row) => <Last row={row} />,
    },
    {
      name: "on",
      title: titles.on,
      width: "84px",
      narrow: "end",
      cell: (row) => (
        <div className="schedule-controls">
          <Switch
            label={texts.switchFor(row.workflow_name)}
            isOn={row.active && !row.paused}
            disabledBecause={actions.mayNotTurn ?? (row.active ? undefined : texts.off)}
            onChange={(isOn) => actions.turn(row, isOn)}
          />
          <More row={row} actions={actions} />
        </div>
      ),
    },
  ];
}

/** In plain words, and as it is written. */
function When({ row }: { row: Schedule }) {
  const preview = useQuery({ ...schedulePreview(row.parameters), enabled: row.cron !== undefined });
  if (row.every !== undefined)
    return (
      <span className="schedule-when">
        <span className="cut">{texts.every(row.every)}</span>
        <Soon row={row} />
      </span>
    );
  const words = preview.data?.description === undefined ? undefined : texts.plainly(preview.data.description);
  return (
    <span className="schedule-when">
      <span className="cut" title={words}>
        {words}
      </span>
      <code className="faint">{row.cron}</code>
      <Soon row={row} />
      {row.timezone !== undefined && <span className="faint cut">{texts.zone(row.timezone)}</span>}
    </span>
  );
}

/** When next, where there is no column for it. */
function Soon({ row }: { row: Schedule }) {
  return (
    <span className="narrow-only schedule-soon">
      {!row.active ? (
        texts.off
      ) : row.paused ? (
        texts.paused
      ) : row.next_at === undefined ? (
        texts.noNext
      ) : (
        <>
          {texts.columns.next} <RelativeTime time={row.next_at} />
        </>
      )}
    </span>
  );
}

/** Its newest execution, or the time that was left out since. */
function Last({ row: { last_execution: last, last_skipped: skipped } }: { row: Schedule }) {
  if (skipped !== undefined && (last === undefined || skipped.at > last.started_at))
    return (
      <span className="schedule-last" title={texts.reasons[skipped.reason]}>
        <CircleSlash size={16} aria-hidden />
        <span className="cut">{texts.skipped(ago(skipped.at, Date.now()))}</span>
      </span>
    );
  if (last === undefined) return <span className="faint">{texts.never}</span>;
  return (
    <Link to="/executions/$id" params={{ id: last.id }} className="schedule-last above">
      <StatusIcon status={last.status} />
      <RelativeTime time={last.started_at} />
    </Link>
  );
}

function More({ row, actions }: { row: Schedule; actions: Actions }) {
  const navigate = useNavigate();
  return (
    <Menu
      trigger={
        <Button
          kind="quiet"
          size="dense"
          className="icon-button"
          aria-label={texts.more(row.workflow_name)}
          icon={<Ellipsis size={16} aria-hidden />}
        />
      }
      groups={[
        [
          {
            label: texts.actions.run,
            icon: <Play size={16} aria-hidden />,
            disabledBecause: actions.mayNotRun,
            onChoose: () => actions.run(row),
          },
          {
            label: texts.actions.times,
            icon: <Clock size={16} aria-hidden />,
            onChoose: () => actions.show(row),
          },
        ],
        [
          {
            label: texts.actions.workflow,
            icon: <Workflow size={16} aria-hidden />,
            onChoose: () => void navigate({ to: "/workflows/$id", params: { id: row.workflow_id } }),
          },
          {
            label: texts.actions.executions,
            icon: <ListChecks size={16} aria-hidden />,
            onChoose: () =>
              void navigate({ to: "/executions", search: { workflow: row.workflow_id, mode: "schedule" } }),
          },
        ],
      ]}
    />
  );
}
