import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { endSession, sessionList } from "../../api/account";
import type { Schemas } from "../../api/client";
import { asFailure } from "../../api/failure";
import { settings } from "../../text/settings";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import { ErrorCard } from "../../ui/ErrorCard";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { tell } from "../../ui/toast";
import { browserOf } from "./browserOf";

const texts = settings.sessions;

/** Where one is logged in, and a way to end it there. */
export function Sessions() {
  const list = useQuery(sessionList);
  if (list.isPending) return <SkeletonRows count={2} />;
  if (list.data === undefined) return <ErrorCard error={list.error} onRetry={() => void list.refetch()} />;
  return (
    <ul className="card sessions" aria-label={texts.title}>
      {list.data.data.map((session) => (
        <Row key={session.id} session={session} />
      ))}
    </ul>
  );
}

function Row({ session }: { session: Schemas["SessionSummary"] }) {
  const { id, created_at, last_used_at, ip, user_agent, current } = session;
  const [isBusy, setIsBusy] = useState(false);
  const what = browserOf(user_agent);
  const end = async () => {
    setIsBusy(true);
    try {
      await endSession(id);
      tell("done", texts.ended(what));
    } catch (error) {
      tell("error", texts.failed, { description: sentence(asFailure(error).message) });
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <li>
      <div className="session-what">
        <span className="session-name">
          <span className="cut" title={user_agent}>
            {what}
          </span>
          {current && <Chip tone="ok">{texts.current}</Chip>}
        </span>
        <span className="faint">
          {texts.used} <RelativeTime time={last_used_at} /> · {texts.began} <RelativeTime time={created_at} />
          {ip !== undefined && ` ${texts.from(ip)}`}
        </span>
      </div>
      {!current && (
        <Button
          size="dense"
          isBusy={isBusy}
          aria-label={texts.endOf(`${what}${ip === undefined ? "" : `, ${texts.from(ip)}`}`)}
          onClick={() => void end()}
        >
          {texts.end}
        </Button>
      )}
    </li>
  );
}
