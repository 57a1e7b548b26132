import { Link } from "@tanstack/react-router";
import {
  CircleCheck,
  CircleSlash,
  Ellipsis,
  KeyRound,
  Link2,
  LogIn,
  Mail,
  ShieldUser,
  Trash2,
  UserX,
} from "lucide-react";
import type { Schemas } from "../../api/client";
import { people as texts } from "../../text/people";
import { IconButton } from "../../ui/IconButton";
import { Menu } from "../../ui/Menu";
import { RelativeTime } from "../../ui/RelativeTime";
import { Select } from "../../ui/Select";
import type { Column } from "../../ui/Table";

type User = Schemas["User"];
type Role = Schemas["Role"];

const ROLES = (["owner", "editor", "viewer"] as const).map((role) => ({
  value: role,
  label: texts.roles[role],
}));

interface Does {
  onRole: (user: User, role: Role) => void;
  onKeepOut: (user: User, isOut: boolean) => void;
  onLink: (user: User) => void;
  onKeys: (user: User) => void;
  onDelete: (user: User) => void;
}

export function nameOf({ name, email }: User): string {
  return name ?? email;
}

/** `keysOf` says how many API keys of theirs work; nothing while it is not known. */
export function columnsOf(
  self: number | undefined,
  keysOf: (user: User) => number | undefined,
  does: Does,
): Column<User>[] {
  const { columns: titles } = texts;
  return [
    {
      name: "person",
      title: titles.person,
      width: "minmax(0, 1fr)",
      narrow: "main",
      cell: (row) => (
        <span className="person">
          <span className="person-name">
            <span className="cut" title={nameOf(row)}>
              {nameOf(row)}
            </span>
            {row.id === self && <span className="faint"> ({texts.you})</span>}
          </span>
          {row.name !== undefined && (
            <span className="cut faint" title={row.email}>
              {row.email}
            </span>
          )}
        </span>
      ),
    },
    {
      name: "role",
      title: titles.role,
      width: "132px",
      narrow: "hidden",
      cell: (row) =>
        row.id === self ? (
          <span title={texts.ownRole}>{texts.roles[row.role]}</span>
        ) : (
          <Select
            label={texts.roleOf(nameOf(row))}
            choices={ROLES}
            value={row.role}
            onChange={(role) => role !== row.role && does.onRole(row, role)}
          />
        ),
    },
    { name: "state", title: titles.state, width: "128px", cell: (row) => <State user={row} /> },
    {
      name: "keys",
      title: titles.keys,
      width: "88px",
      narrow: "hidden",
      cell: (row) => <Keys user={row} amount={keysOf(row)} />,
    },
    {
      name: "seen",
      title: titles.seen,
      width: "116px",
      narrow: "hidden",
      cell: (row) => (
        <span className="faint">
          {row.last_seen_at === undefined ? texts.never : <RelativeTime time={row.last_seen_at} />}
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
      cell: (row) => <More user={row} isSelf={row.id === self} keys={keysOf(row)} does={does} />,
    },
  ];
}

function State({ user }: { user: User }) {
  const [tone, Icon, said] = user.disabled
    ? (["error", CircleSlash, texts.states.disabled] as const)
    : user.invited
      ? (["waiting", Mail, texts.states.invited] as const)
      : (["ok", CircleCheck, texts.states.active] as const);
  return (
    <span className={`person-state tone-${tone}`}>
      <Icon size={16} aria-hidden /> {said}
      <span className="person-role">· {texts.roles[user.role]}</span>
    </span>
  );
}

function Keys({ user, amount }: { user: User; amount: number | undefined }) {
  if (amount === undefined) return null;
  if (amount === 0) return <span className="faint">{texts.keyCount(0)}</span>;
  return (
    <Link
      to="/workspace/api-keys"
      search={{ by: user.id }}
      className="person-keys"
      aria-label={texts.keysOf(nameOf(user), amount)}
    >
      {texts.keyCount(amount)}
    </Link>
  );
}

interface MoreProps {
  user: User;
  isSelf: boolean;
  keys: number | undefined;
  does: Does;
}

function More({ user, isSelf, keys, does }: MoreProps) {
  const name = nameOf(user);
  const notSelf = isSelf ? texts.notSelf : undefined;
  return (
    <Menu
      trigger={
        <IconButton size="dense" label={texts.moreFor(name)} icon={<Ellipsis size={16} aria-hidden />} />
      }
      groups={[
        ROLES.filter(({ value }) => value !== user.role).map(({ value }) => ({
          label: texts.make(value),
          icon: <ShieldUser size={16} aria-hidden />,
          disabledBecause: isSelf ? texts.ownRole : undefined,
          onChoose: () => does.onRole(user, value),
        })),
        [
          {
            label: user.invited ? texts.newLink : texts.resetLink,
            icon: <Link2 size={16} aria-hidden />,
            disabledBecause: notSelf ?? (user.disabled ? texts.keptOut : undefined),
            onChoose: () => does.onLink(user),
          },
          {
            label: texts.showKeys,
            icon: <KeyRound size={16} aria-hidden />,
            disabledBecause: keys === 0 ? texts.noKeys : undefined,
            onChoose: () => does.onKeys(user),
          },
          user.disabled
            ? {
                label: texts.letIn,
                icon: <LogIn size={16} aria-hidden />,
                onChoose: () => does.onKeepOut(user, false),
              }
            : {
                label: texts.keepOut,
                icon: <UserX size={16} aria-hidden />,
                disabledBecause: notSelf,
                onChoose: () => does.onKeepOut(user, true),
              },
        ],
        [
          {
            label: texts.delete,
            icon: <Trash2 size={16} aria-hidden />,
            isDanger: true,
            disabledBecause: notSelf,
            onChoose: () => does.onDelete(user),
          },
        ],
      ]}
    />
  );
}
