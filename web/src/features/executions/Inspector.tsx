import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ExternalLink } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { Schemas } from "../../api/client";
import { isFinal, stepOf } from "../../api/executions";
import { hasBegun, iterationOf, type OpenStep, standingOf } from "../../graph/steps";
import { executions } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { sentence } from "../../text/text";
import { exactly, took } from "../../text/time";
import { buttonClass } from "../../ui/Button";
import { CopyField } from "../../ui/CopyField";
import { ErrorCard } from "../../ui/ErrorCard";
import { JsonView } from "../../ui/JsonView";
import { Words } from "../../ui/Prose";
import { Skeleton } from "../../ui/Skeleton";
import { StatusBadge, StatusIcon } from "../../ui/StatusBadge";
import { type Tab, Tabs } from "../../ui/Tabs";
import "./Inspector.css";

const texts = executions.detail;

/** Loops may have thousands of items under way. */
const MOST_UNDER_WAY = 20;

type Part = "error" | "output" | "input" | "info";

/** One decided step: what it was given, what it made, and why it failed. */
export function StepInspector({
  step,
  execution,
}: {
  step: Schemas["Step"];
  execution: Schemas["Execution"];
}) {
  const facts = texts.facts;
  // What was never begun was given nothing, and made nothing.
  const wasCalled = step.started_at !== undefined;
  const found = useQuery({ ...stepOf(execution.id, step), enabled: wasCalled });
  const dataOf = (part: "input" | "output") => {
    if (found.data !== undefined)
      return has(found.data, part) ? (
        <JsonView label={texts[part]} value={found.data[part]} fileName={`${step.node}-${part}.json`} />
      ) : undefined;
    if (found.isError) return <ErrorCard error={found.error} onRetry={() => void found.refetch()} />;
    return wasCalled ? <Loading /> : undefined;
  };
  // What a turn of a loop was given and made is what its steps were and did.
  const iteration = iterationOf(step.path);
  const nothing = iteration === undefined ? undefined : texts.ofItem;
  return (
    <Inspector
      key={step.path}
      title={iteration === undefined ? step.name : `${step.name}: ${texts.iteration(iteration)}`}
      status={<StatusBadge status={step.status} />}
      subtitle={step.duration_ms === undefined ? step.type : `${step.type} · ${took(step.duration_ms)}`}
      error={step.error}
      outputLabel={texts.output}
      output={dataOf("output")}
      input={dataOf("input")}
      noInput={nothing ?? (wasCalled ? undefined : texts.notCalled)}
      facts={[
        [facts.path, <code key="path">{step.path}</code>],
        [facts.type, <code key="type">{step.type}</code>],
        [facts.attempts, step.attempts > 0 ? texts.attempts(step.attempts) : undefined],
        [facts.ports, step.ports.join(", ") || undefined],
        [facts.reason, step.reason && sentence(step.reason)],
        [facts.firstTry, step.began_at && exactly(step.began_at)],
        [step.began_at ? facts.lastTry : facts.started, step.started_at && exactly(step.started_at)],
        [facts.finished, step.finished_at && exactly(step.finished_at)],
      ]}
      notice={step.reason === undefined ? nothing : sentence(step.reason)}
    />
  );
}

/** A step that has begun and is not decided: since when, and what it waits for. */
export function OpenStepInspector({ step }: { step: OpenStep }) {
  const facts = texts.facts;
  return (
    <Inspector
      key={step.path}
      title={step.name}
      status={<StatusBadge status={standingOf(step)} />}
      subtitle={step.type}
      error={step.error}
      outputLabel={texts.now}
      output={<Waiting step={step} />}
      input={undefined}
      noInput={texts.inputLater}
      facts={[
        [facts.path, <code key="path">{step.path}</code>],
        [facts.type, <code key="type">{step.type}</code>],
        [facts.attempts, texts.attempts(step.attempts)],
        [facts.started, step.started_at && exactly(step.started_at)],
        [facts.due, step.due_at && exactly(step.due_at)],
      ]}
    />
  );
}

/** The execution as a whole: what started it, what came of it. */
export function ExecutionInspector({
  execution,
  open,
}: {
  execution: Schemas["Execution"];
  /** What is under way. */
  open: readonly OpenStep[];
}) {
  const facts = texts.facts;
  const { called_by: caller, retry_of: repeated } = execution;
  return (
    <Inspector
      key="whole"
      title={texts.whole}
      status={<StatusBadge status={execution.status} />}
      subtitle={
        execution.duration_ms === undefined || !hasBegun(execution) ? undefined : took(execution.duration_ms)
      }
      error={execution.error}
      outputLabel={texts.result}
      output={
        has(execution, "result") ? (
          <JsonView label={texts.result} value={execution.result} fileName={`${execution.id}-result.json`} />
        ) : (
          open.length > 0 && <UnderWay open={open} />
        )
      }
      notice={noticeOf(execution.status)}
      input={<JsonView label={texts.input} value={execution.input} fileName={`${execution.id}-input.json`} />}
      facts={[
        [facts.id, <code key="id">{execution.id}</code>],
        [facts.mode, statuses.modes[execution.mode] ?? execution.mode],
        [facts.trigger, execution.trigger_name],
        [facts.triggerNode, <code key="trigger">{execution.trigger}</code>],
        [facts.version, String(execution.version)],
        [facts.started, exactly(execution.started_at)],
        [facts.finished, execution.finished_at && exactly(execution.finished_at)],
        [facts.retryOf, repeated && <ExecutionLink id={repeated} />],
        [facts.calledBy, caller && <ExecutionLink id={caller.execution_id} step={caller.path} />],
        [facts.recoveries, execution.recoveries > 0 ? String(execution.recoveries) : undefined],
      ]}
    />
  );
}

function noticeOf(status: Schemas["ExecutionStatus"]): string | undefined {
  if (status === "QUEUED") return texts.queued;
  return isFinal(status) ? undefined : texts.notYet;
}

function ExecutionLink({ id, step }: { id: string; step?: string }) {
  return (
    <Link to="/executions/$id" params={{ id }} search={{ step }}>
      {id}
    </Link>
  );
}

/** What an execution does or waits for just now. */
function UnderWay({ open }: { open: readonly OpenStep[] }) {
  return (
    <ul className="under-way">
      {open.slice(0, MOST_UNDER_WAY).map((step) => (
        <li key={step.path}>
          <StatusIcon status={standingOf(step)} />
          <div>
            <Link to="." search={{ step: step.path }} replace resetScroll={false}>
              {step.name}
            </Link>
            <Waiting step={step} />
          </div>
        </li>
      ))}
      {open.length > MOST_UNDER_WAY && <li>{texts.moreUnderWay(open.length - MOST_UNDER_WAY)}</li>}
    </ul>
  );
}

/** In words, what an open step waits for; and where somebody tells it to go on. */
function Waiting({ step }: { step: OpenStep }) {
  const { resume } = step;
  const due = step.due_at && <time dateTime={step.due_at}>{exactly(step.due_at)}</time>;
  const told = texts.waits;
  if (step.called !== undefined)
    return (
      <p className="waits">
        {told.called} <ExecutionLink id={step.called} />
      </p>
    );
  if (step.type !== "flow.wait")
    return (
      <p className="waits">
        {due ? (
          <>
            {told.tryAgain(step.attempts)} {due}
          </>
        ) : (
          told.runs
        )}
      </p>
    );
  if (resume === undefined)
    return (
      <p className="waits">
        {told.time} {due}
      </p>
    );
  return (
    <div className="waits">
      <p>
        {resume.approval ? told.approval : told.resume}
        {due && (
          <>
            {" "}
            {told.atMost} {due}
          </>
        )}
      </p>
      {resume.message !== undefined && <blockquote>{resume.message}</blockquote>}
      <ResumeAddress resume={resume} />
    </div>
  );
}

/** For a person the page on which to decide, for a program the address to call. */
function ResumeAddress({ resume }: { resume: Schemas["Resume"] }) {
  const told = texts.waits;
  if (resume.url === undefined) return <p className="faint">{told.mayNot}</p>;
  if (!resume.approval) return <CopyField label={told.address} value={resume.url} />;
  return (
    <a className={buttonClass("default", "dense")} href={resume.url} target="_blank" rel="noreferrer">
      {told.decide}
      <ExternalLink size={14} aria-hidden />
    </a>
  );
}

interface InspectorProps {
  title: string;
  status: ReactNode;
  subtitle: string | undefined;
  error: Schemas["ExecutionError"] | undefined;
  outputLabel: string;
  output: ReactNode;
  input: ReactNode;
  facts: readonly (readonly [string, ReactNode])[];
  notice?: string | undefined;
  /** Why there is no input. */
  noInput?: string | undefined;
}

function Inspector({
  title,
  status,
  subtitle,
  error,
  outputLabel,
  output,
  input,
  facts,
  notice,
  noInput = texts.noInput,
}: InspectorProps) {
  const [part, setPart] = useState<Part>();
  const tabs: Tab<Part>[] = [
    { value: "output", label: outputLabel, content: output || <Nothing text={notice ?? texts.noOutput} /> },
    { value: "input", label: texts.input, content: input ?? <Nothing text={noInput} /> },
    { value: "info", label: texts.info, content: <Facts facts={facts} /> },
  ];
  if (error !== undefined)
    tabs.unshift({ value: "error", label: texts.error, content: <ErrorView error={error} /> });
  // What one wants to know first; a choice holds as long as there is such a part.
  const first = error === undefined ? "output" : "error";
  const shown = tabs.some((tab) => tab.value === part) ? (part ?? first) : first;
  return (
    <>
      <header className="inspector-head">
        <h2 title={title}>{title}</h2>
        {status}
        {subtitle !== undefined && <span className="inspector-subtitle">{subtitle}</span>}
      </header>
      <Tabs label={texts.part} tabs={tabs} value={shown} onChange={setPart} />
    </>
  );
}

function Loading() {
  return (
    <Skeleton>
      <div className="inspector-loading">
        <span className="skeleton-bar skeleton-1" />
        <span className="skeleton-bar skeleton-2" />
        <span className="skeleton-bar skeleton-0" />
      </div>
    </Skeleton>
  );
}

function ErrorView({ error }: { error: Schemas["ExecutionError"] }) {
  return (
    <div className="inspector-error">
      <p>
        <Words text={sentence(error.message)} />
      </p>
      <p className="inspector-code">
        {texts.code} <code>{error.code}</code>
        {error.node !== undefined && (
          <>
            {" "}
            {texts.at}{" "}
            <Link to="." search={{ step: error.node }} replace resetScroll={false}>
              <code>{error.node}</code>
            </Link>
          </>
        )}
      </p>
    </div>
  );
}

function Facts({ facts }: { facts: InspectorProps["facts"] }) {
  return (
    <dl className="facts">
      {facts.map(
        ([name, value]) =>
          value !== undefined &&
          value !== null &&
          value !== "" && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function Nothing({ text }: { text: string }) {
  return (
    <p className="inspector-nothing">
      <Words text={text} />
    </p>
  );
}

/** `null` is an output, too. */
function has(of: object, field: string): boolean {
  return field in of && (of as Record<string, unknown>)[field] !== undefined;
}
