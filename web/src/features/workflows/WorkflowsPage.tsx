import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { FileUp, Plus, Trash2, Workflow } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { workflowList } from "../../api/workflows";
import { Page } from "../../shell/Page";
import { workflows as texts } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SearchInput } from "../../ui/SearchInput";
import { Segments } from "../../ui/Segments";
import { Select } from "../../ui/Select";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { columns } from "./columns";
import { deletedColumns } from "./deletedColumns";
import { ImportWorkflows } from "./ImportWorkflows";
import { NewWorkflowDialog } from "./NewWorkflowDialog";
import { RunDialog } from "./RunDialog";
import { StarterCards } from "./StarterCards";
import type { Starter } from "./starters";
import { useWorkflowActions } from "./useWorkflowActions";
import "./WorkflowsPage.css";

const route = getRouteApi("/shell/workflows");

const FILTERS = [
  { value: "all", label: texts.filters.all },
  { value: "published", label: texts.filters.on },
  { value: "off", label: texts.filters.off },
  { value: "draft", label: texts.filters.draft },
  { value: "deleted", label: texts.filters.deleted },
] as const;

const SORTS = [
  { value: "created_at", label: texts.sorts.created },
  { value: "updated_at", label: texts.sorts.updated },
  { value: "name", label: texts.sorts.name },
] as const;

/** What they do changes while one looks. */
const AGAIN = 10_000;

/** All workflows: found, switched on and off, run, copied, taken away. */
export default function WorkflowsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const list = useInfiniteQuery({
    ...workflowList({ search: search.search, status: search.status, sort: search.sort }),
    refetchInterval: AGAIN,
  });
  const may = useMay();
  const { turn, restore } = useWorkflowActions();
  const setMaking = (make: Starter | undefined) => void navigate({ search: (now) => ({ ...now, make }) });
  const [running, setRunning] = useState<Schemas["WorkflowSummary"]>();
  const mayWrite = may("workflows:write");
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data) ?? [], [list.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const find = useCallback(
    (text: string) =>
      void navigate({ search: (now) => ({ ...now, search: text.trim() || undefined }), replace: true }),
    [navigate],
  );
  // While another filter's rows are still shown, they are what they are.
  const isDeleted = rows[0] === undefined ? search.status === "deleted" : rows[0].deleted_at !== undefined;
  const shown = useMemo(
    () =>
      isDeleted
        ? deletedColumns((row) => void restore(row), mayWrite)
        : columns((row, isOn) => void turn(row, isOn), setRunning, mayWrite),
    [isDeleted, restore, turn, mayWrite],
  );
  const isFiltered = search.search !== undefined || search.status !== undefined;
  const isEmpty = list.isSuccess && rows.length === 0;
  const cannotWrite = mayWrite ? undefined : texts.because.mayNotWrite;
  return (
    <ImportWorkflows>
      {(choose) => (
        <Page
          title={texts.title}
          actions={
            <>
              <Button
                className="import-button"
                icon={<FileUp size={16} aria-hidden />}
                disabledBecause={cannotWrite}
                onClick={choose}
              >
                {texts.import}
              </Button>
              <Button
                kind="primary"
                icon={<Plus size={16} aria-hidden />}
                disabledBecause={cannotWrite}
                onClick={() => setMaking("webhook")}
              >
                {texts.new}
              </Button>
            </>
          }
          toolbar={
            (isFiltered || !isEmpty) && (
              <>
                <SearchInput label={texts.search} value={search.search ?? ""} onChange={find} />
                <Segments
                  label={texts.filter}
                  choices={FILTERS}
                  value={search.status ?? "all"}
                  onChange={(value) =>
                    void navigate({
                      search: (now) => ({ ...now, status: value === "all" ? undefined : value }),
                    })
                  }
                />
                <Select
                  label={texts.sort}
                  choices={SORTS}
                  value={search.sort ?? "created_at"}
                  onChange={(value) =>
                    void navigate({
                      search: (now) => ({ ...now, sort: value === "created_at" ? undefined : value }),
                    })
                  }
                />
                {list.isSuccess && (
                  <span className="toolbar-end">{texts.total(rows.length, hasNextPage)}</span>
                )}
              </>
            )
          }
        >
          {list.isPending && <SkeletonRows />}
          {list.isError && list.data === undefined && (
            <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
          )}
          {rows.length > 0 && (
            <Table
              label={texts.list}
              columns={shown}
              rows={rows}
              keyOf={(row) => row.id}
              nameOf={(row) => row.name}
              isMore={hasNextPage}
              onEnd={more}
            />
          )}
          {isEmpty && isFiltered && search.status === "deleted" && search.search === undefined && (
            <EmptyState icon={<Trash2 size={20} aria-hidden />} title={texts.empty.noneDeleted}>
              {texts.empty.noneDeletedText}
            </EmptyState>
          )}
          {isEmpty && isFiltered && !(search.status === "deleted" && search.search === undefined) && (
            <EmptyState
              icon={<Workflow size={20} aria-hidden />}
              title={texts.empty.none}
              actions={
                <Button onClick={() => void navigate({ search: ({ sort }) => ({ sort }) })}>
                  {texts.empty.clear}
                </Button>
              }
            />
          )}
          {isEmpty && !isFiltered && (
            <div className="first-workflow">
              <h2>{texts.empty.title}</h2>
              <p>{texts.empty.text}</p>
              <StarterCards label={texts.create.starts} onChoose={setMaking} />
              <Button kind="quiet" icon={<FileUp size={16} aria-hidden />} onClick={choose}>
                {texts.empty.import}
              </Button>
            </div>
          )}
          {search.make !== undefined && (
            <NewWorkflowDialog starter={search.make} onClose={() => setMaking(undefined)} />
          )}
          {running !== undefined && <RunDialog workflow={running} onClose={() => setRunning(undefined)} />}
        </Page>
      )}
    </ImportWorkflows>
  );
}
