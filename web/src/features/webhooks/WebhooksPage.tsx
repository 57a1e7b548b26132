import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Webhook as WebhookIcon } from "lucide-react";
import { useCallback, useMemo } from "react";
import { webhookList } from "../../api/webhooks";
import { Page } from "../../shell/Page";
import { webhooks as texts } from "../../text/webhooks";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SearchInput } from "../../ui/SearchInput";
import { Segments } from "../../ui/Segments";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { columns } from "./columns";
import { WebhookDialog } from "./WebhookDialog";
import "./Webhooks.css";

const route = getRouteApi("/shell/workspace/webhooks");

const FILTERS = [
  { value: "all", label: texts.filters.all },
  { value: "on", label: texts.filters.live },
  { value: "off", label: texts.filters.off },
] as const;

/** New calls come while one looks; who does not look asks for none. */
const AGAIN = 30_000;

/** The addresses that other systems call. */
export default function WebhooksPage() {
  const { search, active, open } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useInfiniteQuery({ ...webhookList({ search, active }), refetchInterval: AGAIN });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data) ?? [], [list.data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const find = useCallback(
    (text: string) =>
      void navigate({ search: (now) => ({ ...now, search: text.trim() || undefined }), replace: true }),
    [navigate],
  );
  const isFiltered = search !== undefined || active !== undefined;
  const isEmpty = list.isSuccess && rows.length === 0 && !hasNextPage;
  return (
    <Page
      title={texts.title}
      toolbar={
        (isFiltered || !isEmpty) && (
          <>
            <SearchInput label={texts.search} value={search ?? ""} onChange={find} />
            <Segments
              label={texts.filter}
              choices={FILTERS}
              value={active === undefined ? "all" : active ? "on" : "off"}
              onChange={(value) =>
                void navigate({
                  search: (now) => ({ ...now, active: value === "all" ? undefined : value === "on" }),
                })
              }
            />
            {list.isSuccess && <span className="toolbar-end">{texts.total(rows.length, hasNextPage)}</span>}
          </>
        )
      }
    >
      {list.isPending && <SkeletonRows count={4} />}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {(rows.length > 0 || hasNextPage) && (
        <Table
          label={texts.list}
          columns={columns}
          rows={rows}
          keyOf={(row) => row.id}
          nameOf={(row) => row.workflow_name}
          isMore={hasNextPage}
          onEnd={more}
        />
      )}
      {isEmpty && isFiltered && (
        <EmptyState
          icon={<WebhookIcon size={20} aria-hidden />}
          title={texts.empty.none}
          actions={<Button onClick={() => void navigate({ search: {} })}>{texts.empty.clear}</Button>}
        />
      )}
      {isEmpty && !isFiltered && (
        <EmptyState
          icon={<WebhookIcon size={20} aria-hidden />}
          title={texts.empty.title}
          actions={
            <Link to="/workflows" search={{ make: "webhook" }} className={buttonClass("primary")}>
              {texts.empty.action}
            </Link>
          }
        >
          {texts.empty.text}
        </EmptyState>
      )}
      {open !== undefined && (
        <WebhookDialog
          key={open}
          id={open}
          known={rows.find((row) => row.id === open)}
          onClose={() =>
            void navigate({ search: (now) => ({ ...now, open: undefined }), resetScroll: false })
          }
        />
      )}
    </Page>
  );
}
