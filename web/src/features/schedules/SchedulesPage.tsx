import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { CalendarClock } from "lucide-react";
import { useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { pauseSchedule, runSchedule, scheduleList, schedulesKey } from "../../api/schedules";
import { Page } from "../../shell/Page";
import { tellFailure } from "../../shell/tellFailure";
import { schedules as texts } from "../../text/schedules";
import { buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";
import { Table } from "../../ui/Table";
import { tell } from "../../ui/toast";
import { columnsOf } from "./columns";
import { NextTimes } from "./NextTimes";
import "./SchedulesPage.css";

type Schedule = Schemas["Schedule"];

/** What starts by itself, and when. */
export default function SchedulesPage() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const may = useMay();
  const list = useInfiniteQuery(scheduleList);
  const [shown, setShown] = useState<Schedule>();
  const rows = list.data?.pages.flatMap((page) => page.data) ?? [];
  const mayWrite = may("workflows:write");
  const mayRun = may("workflows:execute");
  const columns = useMemo(() => {
    const attempt = async (title: string, work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        tellFailure(title, error);
      }
    };
    const turn = (row: Schedule, isOn: boolean) =>
      attempt(isOn ? texts.told.resumeWrong : texts.told.pauseWrong, async () => {
        await pauseSchedule(row.id, !isOn);
        await queries.invalidateQueries({ queryKey: schedulesKey });
        tell("done", (isOn ? texts.told.resumed : texts.told.paused)(row.workflow_name));
      });
    const run = (row: Schedule) =>
      attempt(texts.told.runWrong, async () => {
        const { id } = await runSchedule(row.id);
        const open = () => void navigate({ to: "/executions/$id", params: { id } });
        tell("done", texts.told.started(row.workflow_name), {
          action: { label: texts.told.open, run: open },
        });
      });
    return columnsOf({
      turn: (row, isOn) => void turn(row, isOn),
      run: (row) => void run(row),
      show: setShown,
      mayNotTurn: mayWrite ? undefined : texts.mayNot,
      mayNotRun: mayRun ? undefined : texts.mayNotRun,
    });
  }, [queries, navigate, mayWrite, mayRun]);
  return (
    <Page
      title={texts.title}
      state={rows.length > 0 && <span className="faint">{texts.total(rows.length, list.hasNextPage)}</span>}
    >
      {list.isPending && <SkeletonRows count={4} />}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {rows.length > 0 && (
        <Table
          label={texts.list}
          columns={columns}
          rows={rows}
          keyOf={(row) => row.id}
          nameOf={(row) => row.workflow_name}
          isMore={list.hasNextPage}
          onEnd={() => void (list.hasNextPage && !list.isFetchingNextPage && list.fetchNextPage())}
        />
      )}
      {list.isSuccess && rows.length === 0 && (
        <EmptyState
          icon={<CalendarClock size={20} aria-hidden />}
          title={texts.empty.title}
          actions={
            <Link to="/workflows" search={{ make: "schedule" }} className={buttonClass("primary")}>
              {texts.empty.action}
            </Link>
          }
        >
          {texts.empty.text}
        </EmptyState>
      )}
      {shown !== undefined && <NextTimes schedule={shown} onClose={() => setShown(undefined)} />}
    </Page>
  );
}
