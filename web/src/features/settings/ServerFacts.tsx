import { useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleX } from "lucide-react";
import type { Schemas } from "../../api/client";
import { about, readiness } from "../../api/server";
import { settings } from "../../text/settings";
import { bytes } from "../../text/text";
import { duration } from "../../text/time";
import { ErrorCard } from "../../ui/ErrorCard";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { Fact } from "./Fact";
import { milliseconds } from "./milliseconds";

const texts = settings.server;

/** How the server is, what it is, and how much it holds. */
export function ServerFacts() {
  const ready = useQuery(readiness);
  const server = useQuery(about);
  return (
    <div className="card">
      <dl>
        <Fact name={texts.health}>
          <span role="status">
            {ready.isSuccess && (
              <span className="health tone-ok">
                <CircleCheck size={16} aria-hidden /> {texts.healthy}
              </span>
            )}
            {ready.isError && (
              <span className="health tone-error">
                <CircleX size={16} aria-hidden /> {texts.notReady}
              </span>
            )}
          </span>
        </Fact>
        {server.data !== undefined && <Facts server={server.data} />}
        <Fact name={texts.reference}>
          <a href="/docs">{texts.readReference}</a>
        </Fact>
      </dl>
      {server.isPending && <SkeletonRows count={3} />}
      {server.isError && server.data === undefined && (
        <ErrorCard error={server.error} onRetry={() => void server.refetch()} />
      )}
    </div>
  );
}

function Facts({ server }: { server: Schemas["About"] }) {
  const { counts, disk, limits } = server;
  return (
    <>
      <Fact name={texts.version}>
        {server.version}
        {server.commit !== undefined && <code className="faint"> {server.commit.slice(0, 12)}</code>}
      </Fact>
      <Fact name={texts.started}>
        <RelativeTime time={server.started_at} />
      </Fact>
      <Fact name={texts.address}>
        <code>{server.public_url}</code>
      </Fact>
      <Fact name={texts.database}>
        {texts.databases[server.database]}
        {disk !== undefined && `, ${bytes(disk.database_bytes)}`}
        {disk?.free_bytes !== undefined && `, ${texts.free(bytes(disk.free_bytes))}`}
      </Fact>
      {server.data_dir !== undefined && (
        <Fact name={texts.folder}>
          <code>{server.data_dir}</code>
        </Fact>
      )}
      <Fact name={texts.dispatch}>{texts.dispatches[server.dispatch]}</Fact>
      {counts !== undefined && (
        <>
          <Fact name={texts.workflows}>{texts.active(counts.workflows, counts.active_workflows)}</Fact>
          <Fact name={texts.now}>
            {texts.running(counts.executions_running, counts.executions_waiting, counts.executions_queued)}
          </Fact>
        </>
      )}
      <Fact name={texts.kept} hint={texts.keptHint}>
        {texts.keeps(said(server.retention), server.keep_executions)}
      </Fact>
      <Fact name={texts.limits}>
        {texts.bounds(bytes(limits.max_body), limits.max_running, said(limits.sync_timeout))}
      </Fact>
    </>
  );
}

function said(value: string): string {
  const known = milliseconds(value);
  return known === undefined ? value : duration(known);
}
