import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { UserPlus, Users } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { me } from "../../api/account";
import type { Schemas } from "../../api/client";
import { deleteUser, renewInvitation, updateUser, userList } from "../../api/people";
import { isMadeBy, useKeys } from "../../api/useKeys";
import { Page } from "../../shell/Page";
import { tellFailure } from "../../shell/tellFailure";
import { people as texts } from "../../text/people";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { tell } from "../../ui/toast";
import { columnsOf, nameOf } from "./columns";
import { InviteDialog } from "./InviteDialog";
import { LinkDialog } from "./LinkDialog";
import "./PeoplePage.css";

type User = Schemas["User"];

/** Who may come in, and what they may do. */
export default function PeoplePage() {
  const who = useQuery(me);
  const isAllowed = who.data?.scopes.includes("workspace:admin");
  const list = useInfiniteQuery({ ...userList, enabled: isAllowed === true });
  const [isInviting, setIsInviting] = useState(false);
  const [link, setLink] = useState<Schemas["Invitation"]>();
  const [leaving, setLeaving] = useState<User>();
  const navigate = useNavigate();
  // They outlive what becomes of who made them.
  const allKeys = useKeys({ isAllowed: who.data?.scopes.includes("keys:manage") === true, isWhole: true });
  const keys = useMemo(() => {
    // Of some of them nobody could say how many somebody has made.
    if (allKeys.hasNextPage) return undefined;
    const now = Date.now();
    const alive = (key: Schemas["ApiKey"]) =>
      key.expires_at === undefined || Date.parse(key.expires_at) > now;
    return allKeys.data?.pages.flatMap((page) => page.data).filter(alive);
  }, [allKeys.data, allKeys.hasNextPage]);
  const keysOf = useCallback((user: User) => keys?.filter((key) => isMadeBy(key, user.id)).length, [keys]);
  const showKeys = useCallback(
    ({ id: by }: User) => void navigate({ to: "/workspace/api-keys", search: { by } }),
    [navigate],
  );
  const rows = list.data?.pages.flatMap((page) => page.data) ?? [];
  const self = who.data?.user?.id;
  const columns = useMemo(() => {
    const change = async (user: User, wanted: Schemas["UserUpdate"], said: string) => {
      const before = wanted.role === undefined ? { disabled: user.disabled } : { role: user.role };
      await updateUser(user.id, wanted);
      const undo = () => void updateUser(user.id, before).catch(refused);
      const takesAway = wanted.disabled === true || (user.role === "owner" && wanted.role !== undefined);
      const description = takesAway ? keysLeft(keysOf(user)) : undefined;
      tell("done", said, { description, action: { label: texts.undo, run: undo } });
    };
    return columnsOf(self, keysOf, {
      onRole: (user, role) => void change(user, { role }, texts.isNow(nameOf(user), role)).catch(refused),
      onKeepOut: (user, disabled) => {
        const said = disabled ? texts.isKeptOut(nameOf(user)) : texts.isLetIn(nameOf(user));
        void change(user, { disabled }, said).catch(refused);
      },
      onLink: (user) => void renewInvitation(user.id).then(setLink, refused),
      onKeys: showKeys,
      onDelete: setLeaving,
    });
  }, [self, keysOf, showKeys]);
  const remove = async (user: User) => {
    await deleteUser(user.id);
    const description = keysLeft(keysOf(user));
    const see = { label: texts.remove.seeKeys, run: () => showKeys(user) };
    const action = description === undefined ? undefined : see;
    tell("done", texts.remove.done(nameOf(user)), { description, action });
  };
  return (
    <Page
      title={texts.title}
      actions={
        <Button
          kind="primary"
          icon={<UserPlus size={16} aria-hidden />}
          disabledBecause={isAllowed === false ? texts.mayNot : undefined}
          onClick={() => setIsInviting(true)}
        >
          {texts.invite.button}
        </Button>
      }
    >
      {isAllowed === false && (
        <EmptyState icon={<Users size={20} aria-hidden />} title={texts.mayNotTitle}>
          {texts.mayNotText(article(who.data?.user?.role))}
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
          nameOf={nameOf}
          isMore={list.hasNextPage}
          onEnd={() => void (list.hasNextPage && !list.isFetchingNextPage && list.fetchNextPage())}
        />
      )}
      {isAllowed && list.isSuccess && rows.length === 1 && (
        <EmptyState
          icon={<Users size={20} aria-hidden />}
          title={texts.alone.title}
          actions={
            <Button icon={<UserPlus size={16} aria-hidden />} onClick={() => setIsInviting(true)}>
              {texts.invite.title}
            </Button>
          }
        >
          {texts.alone.text}
        </EmptyState>
      )}
      {isInviting && <InviteDialog onClose={() => setIsInviting(false)} />}
      {link !== undefined && <LinkDialog invitation={link} onClose={() => setLink(undefined)} />}
      {leaving !== undefined && (
        <Confirm
          title={texts.remove.title(nameOf(leaving))}
          action={texts.remove.button}
          onConfirm={() => remove(leaving)}
          onClose={() => setLeaving(undefined)}
        >
          {texts.remove.text} <KeysGoOn amount={keysOf(leaving)} user={leaving.id} />
        </Confirm>
      )}
    </Page>
  );
}

function KeysGoOn({ amount, user }: { amount: number | undefined; user: number }) {
  if (amount === 0) return null;
  return (
    <>
      {keysLeft(amount) ?? texts.remove.keys}{" "}
      <Link to="/workspace/api-keys" search={{ by: user }}>
        {texts.remove.seeKeys}
      </Link>
    </>
  );
}

/** Nothing where there are none, or it is not known. */
function keysLeft(amount: number | undefined): string | undefined {
  return amount === undefined || amount === 0 ? undefined : texts.keysGoOn(amount);
}

function article(role: Schemas["Role"] | undefined): string {
  return role === "editor" ? "an editor" : `a ${role ?? "viewer"}`;
}

function refused(error: unknown): void {
  tellFailure(texts.failed, error);
}
