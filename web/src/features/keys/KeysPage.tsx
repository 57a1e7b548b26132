import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeyRound, Plus, Trash2, X } from "lucide-react";
import { useMemo, useState } from "react";
import { me } from "../../api/account";
import type { Schemas } from "../../api/client";
import { deleteKey, keysKey, usedScopes } from "../../api/keys";
import { isMadeBy, useKeys } from "../../api/useKeys";
import { Page } from "../../shell/Page";
import { keys as texts } from "../../text/keys";
import { shown } from "../../text/shown";
import { Button } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import { Confirm } from "../../ui/Confirm";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { IconButton } from "../../ui/IconButton";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { tell } from "../../ui/toast";
import { NewKeyDialog } from "./NewKeyDialog";

type Key = Schemas["ApiKey"];

const route = getRouteApi("/shell/workspace/api-keys");

/** The keys with which programs call the API. */
export default function KeysPage() {
  const queries = useQueryClient();
  const who = useQuery(me);
  const isAllowed = who.data?.scopes.includes("keys:manage");
  const { by } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useKeys({ isAllowed: isAllowed === true, isWhole: by !== undefined });
  const [isMaking, setIsMaking] = useState(false);
  const [leaving, setLeaving] = useState<Key>();
  const all = list.data?.pages.flatMap((page) => page.data) ?? [];
  const rows = by === undefined ? all : all.filter((key) => isMadeBy(key, by));
  const showAll = () => void navigate({ search: {} });
  const mayNot = isAllowed === false ? texts.mayNot : undefined;
  const columns = useMemo(() => columnsOf(setLeaving), []);
  const remove = async (key: Key) => {
    await deleteKey(key.id);
    await queries.invalidateQueries({ queryKey: keysKey });
    tell("done", texts.remove.done(key.name));
  };
  return (
    <Page
      title={texts.title}
      actions={
        <Button
          kind="primary"
          icon={<Plus size={16} aria-hidden />}
          disabledBecause={mayNot}
          onClick={() => setIsMaking(true)}
        >
          {texts.new}
        </Button>
      }
      toolbar={
        isAllowed && by !== undefined && list.isSuccess ? (
          <>
            <span className="key-maker cut">{texts.madeBy(makerOf(rows, by, who.data?.user))}</span>
            <Button icon={<X size={14} aria-hidden />} onClick={showAll}>
              {texts.showAll}
            </Button>
          </>
        ) : undefined
      }
    >
      {isAllowed === false && (
        <EmptyState icon={<KeyRound size={20} aria-hidden />} title={texts.mayNotTitle}>
          {texts.mayNotText}
        </EmptyState>
      )}
      {isAllowed !== false && list.isPending && !who.isError && <SkeletonRows count={4} />}
      {who.isError && who.data === undefined && (
        <ErrorCard error={who.error} onRetry={() => void who.refetch()} />
      )}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {isAllowed && rows.length > 0 && (
        <Table
          label={texts.list}
          columns={columns}
          rows={rows}
          keyOf={(row) => row.id}
          nameOf={(row) => row.name}
          isMore={list.hasNextPage}
          onEnd={() => void (list.hasNextPage && !list.isFetchingNextPage && list.fetchNextPage())}
        />
      )}
      {isAllowed && list.isSuccess && rows.length === 0 && by !== undefined && !list.hasNextPage && (
        <EmptyState
          icon={<KeyRound size={20} aria-hidden />}
          title={texts.empty.noneOfTheirs}
          actions={<Button onClick={showAll}>{texts.showAll}</Button>}
        />
      )}
      {isAllowed && list.isSuccess && rows.length === 0 && by === undefined && (
        <EmptyState
          icon={<KeyRound size={20} aria-hidden />}
          title={texts.empty.title}
          actions={
            <Button kind="primary" onClick={() => setIsMaking(true)}>
              {texts.new}
            </Button>
          }
        >
          {texts.empty.text}
        </EmptyState>
      )}
      {isMaking && <NewKeyDialog onClose={() => setIsMaking(false)} />}
      {leaving !== undefined && (
        <Confirm
          title={texts.remove.title(leaving.name)}
          action={texts.remove.button}
          onConfirm={() => remove(leaving)}
          onClose={() => setLeaving(undefined)}
        >
          {texts.remove.text}
        </Confirm>
      )}
    </Page>
  );
}

/** What the person is called who has made these. */
function makerOf(rows: readonly Key[], by: number, self: Schemas["User"] | undefined) {
  if (self?.id === by) return texts.you;
  return rows.length === 0 ? undefined : (rows[0]?.created_by?.name ?? texts.gone);
}

function columnsOf(remove: (key: Key) => void): Column<Key>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "name",
      title: titles.name,
      width: "minmax(0, 1fr)",
      narrow: "main",
      cell: (row) => (
        <span className="cut key-name" title={shown(row.name)}>
          {shown(row.name)}
        </span>
      ),
    },
    {
      name: "key",
      title: titles.key,
      width: "112px",
      narrow: "hidden",
      cell: (row) => <code className="faint">{row.prefix}…</code>,
    },
    {
      name: "scopes",
      title: titles.scopes,
      width: "112px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint" title={row.scopes.map((scope) => texts.scopes[scope] ?? scope).join("\n")}>
          {usedScopes.every((scope) => row.scopes.includes(scope))
            ? texts.everything
            : texts.scopeCount(row.scopes.length)}
        </span>
      ),
    },
    {
      name: "created",
      title: titles.created,
      width: "116px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint">
          <RelativeTime time={row.created_at} />
        </span>
      ),
    },
    {
      name: "creator",
      title: titles.creator,
      width: "168px",
      narrow: "hidden",
      cell: (row) => {
        const by = row.created_by === undefined ? texts.machine : (row.created_by.name ?? texts.somebody);
        return (
          <span className="cut faint" title={by}>
            {by}
          </span>
        );
      },
    },
    {
      name: "expires",
      title: titles.expires,
      width: "116px",
      narrow: "hidden",
      cell: (row) => <Expiry time={row.expires_at} />,
    },
    {
      name: "used",
      title: titles.used,
      width: "116px",
      cell: (row) => (
        <span className="faint">
          <span className="narrow-only">
            {isOver(row.expires_at) ? `${texts.expired} · ` : ""}
            {titles.used}:{" "}
          </span>
          {row.last_used_at === undefined ? texts.never : <RelativeTime time={row.last_used_at} />}
        </span>
      ),
    },
    {
      name: "more",
      title: titles.more,
      isTitleUnseen: true,
      width: "32px",
      align: "end",
      narrow: "end",
      cell: (row) => (
        <IconButton
          size="dense"
          label={texts.delete(row.name)}
          icon={<Trash2 size={16} aria-hidden />}
          onClick={() => remove(row)}
        />
      ),
    },
  ];
}

function isOver(time: string | undefined): boolean {
  return time !== undefined && Date.parse(time) <= Date.now();
}

function Expiry({ time }: { time: string | undefined }) {
  if (time === undefined) return <span className="faint">{texts.never}</span>;
  if (isOver(time)) return <Chip tone="error">{texts.expired}</Chip>;
  return (
    <span className="faint">
      <RelativeTime time={time} />
    </span>
  );
}
