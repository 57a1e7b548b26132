import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowUp, ListChecks } from "lucide-react";
import { useCallback, useMemo } from "react";
import { useStore } from "../../api/store";
import { Page } from "../../shell/Page";
import { executions as texts } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { BulkBar, BulkProgress } from "./BulkBar";
import { bulkWork } from "./bulkWork";
import { columns } from "./columns";
import { Filters } from "./Filters";
import { type ExecutionSearch, filterOf, SHORTEST } from "./search";
import { NOTHING, selection } from "./selection";
import { useExecutions } from "./useExecutions";
import "./ExecutionsPage.css";

const route = getRouteApi("/shell/executions");

/** All that has run and runs, the newest first, live. */
export default function ExecutionsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { list, rows, held, showNew, isLive } = useExecutions(search);
  const chosenBefore = useStore(selection);
  const work = useStore(bulkWork);
  // What was selected under other filters is not meant under these.
  const shown = JSON.stringify(search);
  const { selected, isWhole } = chosenBefore.of === shown ? chosenBefore : NOTHING;
  const chosen = useMemo(() => rows.filter((row) => selected.has(row.id)), [rows, selected]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const change = (next: ExecutionSearch, replace = false) => void navigate({ search: next, replace });
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  const isTooShort = search.search !== undefined && search.search.length < SHORTEST;
  const isEmpty = list.isSuccess && rows.length === 0;
  return (
    <Page
      title={texts.title}
      state={isLive && <span className="live">{texts.live}</span>}
      toolbar={
        (isFiltered || !isEmpty) && (
          <>
            <Filters search={search} onChange={change} />
            <span className="toolbar-end">
              <span role="status">{isTooShort && texts.filters.tooShort(SHORTEST)}</span>
              {list.isSuccess && !isTooShort && texts.total(rows.length, hasNextPage)}
            </span>
          </>
        )
      }
    >
      <div role="status" className="fresh">
        {held > 0 && (
          <Button size="dense" icon={<ArrowUp size={14} aria-hidden />} onClick={showNew}>
            {texts.fresh(held)}
          </Button>
        )}
      </div>
      {list.isPending && <SkeletonRows count={12} />}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {rows.length > 0 && (
        <Table
          label={texts.list}
          columns={columns}
          rows={rows}
          keyOf={(row) => row.id}
          nameOf={(row) => texts.rowName(row.id.slice(-6), statuses.names[row.status] ?? row.status)}
          isMore={hasNextPage}
          onEnd={more}
          selected={selected}
          onSelect={(selected) => selection.set({ of: shown, selected, isWhole: false })}
        />
      )}
      {isEmpty && isFiltered && (
        <EmptyState
          icon={<ListChecks size={20} aria-hidden />}
          title={texts.empty.none}
          actions={<Button onClick={() => change({})}>{texts.filters.clear}</Button>}
        >
          {search.search === undefined ? texts.empty.noneText : texts.empty.noneOfId}
        </EmptyState>
      )}
      {isEmpty && !isFiltered && (
        <EmptyState
          icon={<ListChecks size={20} aria-hidden />}
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
      {work !== undefined ? (
        <BulkProgress work={work} />
      ) : (
        chosen.length > 0 && (
          <BulkBar
            selected={chosen}
            fitting={filterOf(search)}
            // What is done to all that fit takes no part of an id.
            isMore={hasNextPage && chosen.length === rows.length && search.search === undefined}
            isWhole={isWhole}
            onWhole={() => selection.set({ of: shown, selected, isWhole: true })}
            onClear={() => selection.set(NOTHING)}
          />
        )
      )}
    </Page>
  );
}
