import { type ReactNode, useState } from "react";
import type { Schemas } from "../../api/client";
import { isFinal } from "../../api/executions";
import { executions } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { sentence } from "../../text/text";
import { duration, exactly } from "../../text/time";
import { JsonView } from "../../ui/JsonView";
import { Words } from "../../ui/Prose";
import { StatusBadge } from "../../ui/StatusBadge";
import { type Tab, Tabs } from "../../ui/Tabs";
import "./Inspector.css";

const texts = executions.detail;

type Part = "error" | "output" | "input" | "info";

/** One step: what it was given, what it made, and why it failed. */
export function StepInspector({ step }: { step: Schemas["Step"] }) {
  const facts = texts.facts;
  return (
    <Inspector
      key={step.path}
      title={step.name}
      status={<StatusBadge status={step.status} />}
      subtitle={step.duration_ms === undefined ? step.type : `${step.type} · ${duration(step.duration_ms)}`}
      error={step.error}
      outputLabel={texts.output}
      output={
        has(step, "output") ? (
          <JsonView label={texts.output} value={step.output} fileName={`${step.node}-output.json`} />
        ) : undefined
      }
      input={
        has(step, "input") ? (
          <JsonView label={texts.input} value={step.input} fileName={`${step.node}-input.json`} />
        ) : undefined
      }
      facts={[
        [facts.path, <code key="path">{step.path}</code>],
        [facts.type, <code key="type">{step.type}</code>],
        [facts.attempts, step.attempts > 0 ? texts.attempts(step.attempts) : undefined],
        [facts.ports, step.ports.join(", ") || undefined],
        [facts.reason, step.reason && sentence(step.reason)],
        [facts.started, step.started_at && exactly(step.started_at)],
        [facts.finished, step.finished_at && exactly(step.finished_at)],
      ]}
      notice={step.reason && sentence(step.reason)}
    />
  );
}

/** The execution as a whole: what started it, what came of it. */
export function ExecutionInspector({
  execution,
  retryOf,
}: {
  execution: Schemas["Execution"];
  retryOf: ReactNode;
}) {
  const facts = texts.facts;
  return (
    <Inspector
      key="whole"
      title={texts.whole}
      status={<StatusBadge status={execution.status} />}
      subtitle={execution.duration_ms === undefined ? undefined : duration(execution.duration_ms)}
      error={execution.error}
      outputLabel={texts.result}
      output={
        has(execution, "result") ? (
          <JsonView label={texts.result} value={execution.result} fileName={`${execution.id}-result.json`} />
        ) : undefined
      }
      notice={isFinal(execution.status) ? undefined : texts.notYet}
      input={<JsonView label={texts.input} value={execution.input} fileName={`${execution.id}-input.json`} />}
      facts={[
        [facts.id, <code key="id">{execution.id}</code>],
        [facts.mode, statuses.modes[execution.mode] ?? execution.mode],
        [facts.trigger, <code key="trigger">{execution.trigger}</code>],
        [facts.version, String(execution.version)],
        [facts.started, exactly(execution.started_at)],
        [facts.finished, execution.finished_at && exactly(execution.finished_at)],
        [facts.retryOf, retryOf],
        [facts.recoveries, execution.recoveries > 0 ? String(execution.recoveries) : undefined],
      ]}
    />
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
}: InspectorProps) {
  const [part, setPart] = useState<Part>();
  const tabs: Tab<Part>[] = [
    { value: "output", label: outputLabel, content: output ?? <Nothing text={notice ?? texts.noOutput} /> },
    { value: "input", label: texts.input, content: input ?? <Nothing text={texts.noInput} /> },
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
            {texts.at("")}
            <code>{error.node}</code>
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
