import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { webhooks as texts } from "../../text/webhooks";
import { Chip } from "../../ui/Chip";
import { CopyButton } from "../../ui/CopyButton";
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
          {row.workflow_name}
        </Link>
        <span className="cut faint" title={row.name}>
          {row.name}
        </span>
      </div>
    ),
  },
  {
    name: "address",
    title: titles.address,
    width: "minmax(0, 3fr)",
    narrow: "hidden",
    cell: (row) => <code className="cut faint">{pathOf(row.url)}</code>,
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
    cell: (row) => <Chip tone={TONES[stateOf(row)]}>{texts.state[stateOf(row)]}</Chip>,
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
