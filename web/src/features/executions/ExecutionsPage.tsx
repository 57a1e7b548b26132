import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowUp, ListChecks } from "lucide-react";
import { type Key, useCallback, useMemo, useState } from "react";
import { Page } from "../../shell/Page";
import { executions as texts } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { BulkBar } from "./BulkBar";
import { columns } from "./columns";
import { Filters } from "./Filters";
import { type ExecutionSearch, filterOf } from "./search";
import { useExecutions } from "./useExecutions";
import "./ExecutionsPage.css";

const route = getRouteApi("/shell/executions");

interface Selected {
  /** The filters under which it was selected. */
  of: string;
  selected: ReadonlySet<Key>;
  /** All that fits them is meant, beyond the rows that were read. */
  isWhole: boolean;
}

const NOTHING: Selected = { of: "", selected: new Set(), isWhole: false };

/** All that has run and runs, the newest first, live. */
export default function ExecutionsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { list, rows, held, showNew, isLive } = useExecutions(search);
  const [selection, setSelection] = useState(NOTHING);
  // What was selected under other filters is not meant under these.
  const shown = JSON.stringify(search);
  const { selected, isWhole } = selection.of === shown ? selection : NOTHING;
  const chosen = useMemo(() => rows.filter((row) => selected.has(row.id)), [rows, selected]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const change = (next: ExecutionSearch) => void navigate({ search: next });
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  const isEmpty = list.isSuccess && rows.length === 0;
  return (
    <Page
      title={texts.title}
      state={isLive && <span className="live">{texts.live}</span>}
      toolbar={
        (isFiltered || !isEmpty) && (
          <>
            <Filters search={search} onChange={change} />
            {list.isSuccess && <span className="toolbar-end">{texts.total(rows.length, hasNextPage)}</span>}
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
          onSelect={(selected) => setSelection({ of: shown, selected, isWhole: false })}
        />
      )}
      {isEmpty && isFiltered && (
        <EmptyState
          icon={<ListChecks size={20} aria-hidden />}
          title={texts.empty.none}
          actions={<Button onClick={() => change({})}>{texts.filters.clear}</Button>}
        >
          {texts.empty.noneText}
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
      {chosen.length > 0 && (
        <BulkBar
          selected={chosen}
          fitting={filterOf(search)}
          isMore={hasNextPage && chosen.length === rows.length}
          isWhole={isWhole}
          onWhole={() => setSelection({ of: shown, selected, isWhole: true })}
          onClear={() => setSelection(NOTHING)}
        />
      )}
    </Page>
  );
}
