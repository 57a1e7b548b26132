import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Webhook as WebhookIcon } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { newestExecutions } from "../../api/executions";
import { Page } from "../../shell/Page";
import { webhooks as texts } from "../../text/webhooks";
import { buttonClass } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import { CopyButton } from "../../ui/CopyButton";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { StatusIcon } from "../../ui/StatusBadge";
import { type Column, Table } from "../../ui/Table";
import { useWebhooks, type Webhook } from "./useWebhooks";
import { WebhookDialog } from "./WebhookDialog";
import "./Webhooks.css";

const TONES = { live: "ok", off: "neutral", draft: "warning" } as const;
const AGAIN = 10_000;

/** The addresses that other systems call. */
export default function WebhooksPage() {
  const { list, rows } = useWebhooks();
  const [shown, setShown] = useState<Webhook>();
  const columns = useMemo(() => columnsOf(setShown), []);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  // A page of workflows may hold no webhook at all: it is read on until there are some to show.
  useEffect(() => {
    if (rows.length < 50 && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [rows.length, hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <Page
      title={texts.title}
      state={list.isSuccess && <span className="faint">{texts.total(rows.length, hasNextPage)}</span>}
    >
      {list.isPending && <SkeletonRows count={4} />}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {rows.length > 0 && (
        <Table
          label={texts.list}
          columns={columns}
          rows={rows}
          keyOf={(row) => row.id}
          nameOf={(row) => row.workflow.name}
          isMore={hasNextPage}
          onEnd={() => void (hasNextPage && !isFetchingNextPage && fetchNextPage())}
        />
      )}
      {list.isSuccess && rows.length === 0 && !hasNextPage && (
        <EmptyState
          icon={<WebhookIcon size={20} aria-hidden />}
          title={texts.empty.title}
          actions={
            <Link to="/workflows" className={buttonClass("primary")}>
              {texts.empty.action}
            </Link>
          }
        >
          {texts.empty.text}
        </EmptyState>
      )}
      {shown !== undefined && <WebhookDialog webhook={shown} onClose={() => setShown(undefined)} />}
    </Page>
  );
}

function columnsOf(show: (row: Webhook) => void): Column<Webhook>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "workflow",
      title: titles.workflow,
      width: "minmax(0, 2fr)",
      narrow: "main",
      cell: (row) => (
        <button type="button" className="row-link cut webhook-open" onClick={() => show(row)}>
          {row.workflow.name}
        </button>
      ),
    },
    {
      name: "address",
      title: titles.address,
      width: "minmax(0, 3fr)",
      narrow: "hidden",
      cell: (row) => <code className="cut faint">{row.url}</code>,
    },
    {
      name: "state",
      title: titles.state,
      width: "110px",
      cell: (row) => <Chip tone={TONES[row.state]}>{texts.state[row.state]}</Chip>,
    },
    {
      name: "last",
      title: titles.last,
      width: "132px",
      narrow: "hidden",
      cell: (row) => <LastCall row={row} />,
    },
    {
      name: "copy",
      title: titles.copy,
      isTitleUnseen: true,
      width: "32px",
      align: "end",
      narrow: "end",
      cell: (row) => <CopyButton text={row.url} name={texts.copy(row.workflow.name)} />,
    },
  ];
}

function LastCall({ row }: { row: Webhook }) {
  const filter = { workflow_id: row.workflow.id, mode: "webhook" as const, trigger: row.node };
  const { data } = useQuery({ ...newestExecutions(filter, 1), refetchInterval: AGAIN, staleTime: AGAIN });
  const last = data?.data[0];
  if (data === undefined) return null;
  if (last === undefined) return <span className="faint">{texts.never}</span>;
  return (
    <Link to="/executions/$id" params={{ id: last.id }} className="webhook-last above">
      <StatusIcon status={last.status} />
      <RelativeTime time={last.started_at} />
    </Link>
  );
}
