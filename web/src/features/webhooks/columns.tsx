import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { shown } from "../../text/shown";
import { webhooks as texts } from "../../text/webhooks";
import { Chip } from "../../ui/Chip";
import { CopyButton } from "../../ui/CopyButton";
import { MiddleCut } from "../../ui/MiddleCut";
import { RelativeTime } from "../../ui/RelativeTime";
import { StatusIcon } from "../../ui/StatusBadge";
import type { Column } from "../../ui/Table";
import { authOf, stateOf } from "./words";

const TONES = { live: "ok", off: "neutral", draft: "warning" } as const;
const { columns: titles } = texts;

/** Of the list of incoming webhooks. */
export const columns: Column<Schemas["IncomingWebhook"]>[] = [
  {
    name: "workflow",
    title: titles.workflow,
    width: "minmax(0, 3fr)",
    narrow: "main",
    cell: (row) => (
      <div className="webhook-name">
        <Link
          to="/workspace/webhooks"
          search={(now) => ({ ...now, open: row.id })}
          resetScroll={false}
          className="row-link cut"
          title={row.workflow_name}
        >
          {shown(row.workflow_name)}
        </Link>
        <span className="cut faint" title={shown(row.name)}>
          {shown(row.name)}
        </span>
      </div>
    ),
  },
  {
    name: "address",
    title: titles.address,
    width: "minmax(0, 3fr)",
    narrow: "hidden",
    cell: (row) => <MiddleCut text={pathOf(row.url)} />,
  },
  {
    name: "methods",
    title: titles.methods,
    width: "100px",
    narrow: "hidden",
    cell: (row) => (
      <span className="cut faint" title={row.methods.join(", ")}>
        {row.methods.join(", ")}
      </span>
    ),
  },
  {
    name: "auth",
    title: titles.authentication,
    width: "124px",
    narrow: "hidden",
    cell: (row) => <span className="cut faint">{authOf(row)}</span>,
  },
  {
    name: "state",
    title: titles.state,
    width: "116px",
    cell: (row) => (
      <span className="webhook-state">
        <Chip tone={TONES[stateOf(row)]}>{texts.state[stateOf(row)]}</Chip>
        <span className="narrow-only cut faint">{shown(row.name)}</span>
      </span>
    ),
  },
  {
    name: "last",
    title: titles.last,
    width: "120px",
    narrow: "hidden",
    cell: ({ last_call: last }) =>
      last === undefined ? (
        <span className="faint">{texts.never}</span>
      ) : (
        <Link to="/executions/$id" params={{ id: last.execution_id }} className="webhook-last above">
          <StatusIcon status={last.status} />
          <RelativeTime time={last.at} />
        </Link>
      ),
  },
  {
    name: "copy",
    title: titles.copy,
    isTitleUnseen: true,
    width: "32px",
    align: "end",
    narrow: "end",
    cell: (row) => <CopyButton text={row.url} name={texts.copy(row.workflow_name)} />,
  },
];

/** Hosts are the same in all rows. */
function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : url;
}
