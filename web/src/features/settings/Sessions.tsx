import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { endSession, sessionList } from "../../api/account";
import type { Schemas } from "../../api/client";
import { tellFailure } from "../../shell/tellFailure";
import { kit } from "../../text/kit";
import { settings } from "../../text/settings";
import { Button } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import { ErrorCard } from "../../ui/ErrorCard";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { tell } from "../../ui/toast";
import { browserOf } from "./browserOf";

const texts = settings.sessions;

/** The last used come first. */
const AT_FIRST = 5;

/** Where one is logged in, and a way to end it there. */
export function Sessions() {
  const list = useQuery(sessionList);
  const [shown, setShown] = useState(AT_FIRST);
  if (list.isPending) return <SkeletonRows count={2} />;
  if (list.data === undefined) return <ErrorCard error={list.error} onRetry={() => void list.refetch()} />;
  const all = list.data.data;
  return (
    <>
      <ul className="card sessions" aria-label={texts.title}>
        {all.slice(0, shown).map((session) => (
          <Row key={session.id} session={session} />
        ))}
      </ul>
      {all.length > shown && (
        <Button kind="quiet" size="dense" className="sessions-more" onClick={() => setShown(all.length)}>
          {kit.showMore(all.length - shown)}
        </Button>
      )}
    </>
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
      tellFailure(texts.failed, error);
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
