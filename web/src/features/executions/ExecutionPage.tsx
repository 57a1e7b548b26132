import { getRouteApi, Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { useRef } from "react";
import type { Schemas } from "../../api/client";
import { isFinal } from "../../api/executions";
import { asFailure } from "../../api/failure";
import type { OpenStep } from "../../graph/steps";
import { Page } from "../../shell/Page";
import { executions } from "../../text/executions";
import { buttonClass } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { RelativeTime } from "../../ui/RelativeTime";
import { SkeletonRows } from "../../ui/Skeleton";
import { StatusBadge } from "../../ui/StatusBadge";
import { nameOf } from "./columns";
import { ExecutionActions } from "./ExecutionActions";
import { ExecutionInspector, OpenStepInspector, StepInspector } from "./Inspector";
import { StepTree } from "./StepTree";
import { useExecution } from "./useExecution";
import "./ExecutionPage.css";

const route = getRouteApi("/shell/executions/$id");
const texts = executions.detail;

/** One execution: its steps on the left, and what is chosen of it on the right. The address says what that is. */
export default function ExecutionPage() {
  const { id } = route.useParams();
  const { found, open } = useExecution(id);
  const back = (
    <>
      <Link to="/executions" className="page-path">
        {texts.back}
      </Link>
      <span className="page-path" aria-hidden>
        /
      </span>
    </>
  );
  if (found.data !== undefined) return <Found execution={found.data} open={open} back={back} />;
  const isNotFound = found.isError && asFailure(found.error).isNotFound;
  return (
    <Page title={texts.whole} path={back}>
      {found.isPending && <SkeletonRows />}
      {found.isError && !isNotFound && <ErrorCard error={found.error} onRetry={() => void found.refetch()} />}
      {isNotFound && (
        <EmptyState
          icon={<SearchX size={20} aria-hidden />}
          title={texts.notFound}
          actions={
            <Link to="/executions" className={buttonClass()}>
              {texts.back}
            </Link>
          }
        >
          {texts.notFoundText}
        </EmptyState>
      )}
    </Page>
  );
}

function Found({
  execution,
  open,
  back,
}: {
  execution: Schemas["Execution"];
  open: readonly OpenStep[];
  back: React.ReactNode;
}) {
  const { step: path } = route.useSearch();
  const navigate = route.useNavigate();
  const inspector = useRef<HTMLElement>(null);
  const step = path === undefined ? undefined : execution.steps.find((one) => one.path === path);
  const openStep = path === undefined ? undefined : open.find((one) => one.path === path);
  const choose = (next: string | undefined) => {
    void navigate({ search: { step: next }, replace: true, resetScroll: false });
    // Where it lies below, it must come into sight.
    if (matchMedia("(width < 1000px)").matches) inspector.current?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Page
      title={nameOf(execution)}
      path={back}
      state={
        <>
          {execution.workflow_deleted && <Chip>{texts.deleted}</Chip>}
          <StatusBadge status={execution.status} />
          <span className="execution-when">
            <RelativeTime time={execution.started_at} />
          </span>
        </>
      }
      actions={<ExecutionActions execution={execution} />}
    >
      <div className="execution">
        <section className="card execution-steps" aria-label={texts.steps}>
          <StepTree execution={execution} open={open} chosen={path} onChoose={choose} />
        </section>
        <section className="card execution-inspector" aria-label={texts.part} ref={inspector}>
          {path === undefined ? (
            <ExecutionInspector execution={execution} open={open} />
          ) : step !== undefined ? (
            <StepInspector step={step} execution={execution} />
          ) : openStep !== undefined ? (
            <OpenStepInspector step={openStep} />
          ) : (
            <p className="inspector-nothing">{isFinal(execution.status) ? texts.noStep : texts.notYet}</p>
          )}
        </section>
      </div>
    </Page>
  );
}
