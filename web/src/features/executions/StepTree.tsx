import { ChevronRight, RotateCw } from "lucide-react";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { isFinal } from "../../api/executions";
import {
  ancestors,
  hasBegun,
  type OpenStep,
  type StepNode,
  spanOf,
  standingOf,
  stepTree,
  type Timed,
  timeOf,
} from "../../graph/steps";
import { executions } from "../../text/executions";
import { took } from "../../text/time";
import { Button } from "../../ui/Button";
import { type Status, StatusIcon } from "../../ui/StatusBadge";
import { useNeighbours } from "./useNeighbours";
import { useNow } from "./useNow";
import "./StepTree.css";

const texts = executions.detail;
/** Steps of one level that are drawn at a time. */
const PAGE = 100;
/** Loops with no more iterations than this are open at first. */
const FEW = 5;

interface StepTreeProps {
  execution: Schemas["Execution"];
  /** What is under way. */
  open: readonly OpenStep[];
  /** The path of a step; the execution as a whole where missing. */
  chosen: string | undefined;
  onChoose: (path: string | undefined) => void;
}

interface Line {
  path: string | undefined;
  name: string;
  status: Status | undefined;
  depth: number;
  node: StepNode | undefined;
  isOpen: boolean | undefined;
  /** How many of its level are left out after it. */
  more?: { of: string; count: number };
}

/** The steps of an execution with their time as bars. The arrow keys go through it, as through any tree. */
export function StepTree({ execution, open, chosen, onChoose }: StepTreeProps) {
  const roots = useMemo(() => stepTree(execution.steps, open), [execution.steps, open]);
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [shown, setShown] = useState<ReadonlyMap<string, number>>(new Map());
  const tree = useRef<HTMLDivElement>(null);
  const above = useMemo(() => new Set(chosen === undefined ? [] : ancestors(chosen)), [chosen]);
  const isUnfolded = (node: StepNode) =>
    toggled.get(node.path) ??
    (above.has(node.path) || (node.index === undefined && node.children.length <= FEW));
  const toggle = (path: string, isOpen: boolean) => setToggled(new Map(toggled).set(path, isOpen));
  const hasLoops = roots.some((root) => root.children.length > 0);
  const from = Date.parse(execution.started_at);
  const isOver = isFinal(execution.status);
  const isBegun = hasBegun(execution);
  const now = useNow(!isOver);
  const to = execution.finished_at === undefined ? now : Date.parse(execution.finished_at);
  const lines: Line[] = [
    {
      path: undefined,
      name: texts.whole,
      status: execution.status,
      depth: 0,
      node: undefined,
      isOpen: undefined,
    },
  ];
  const add = (nodes: StepNode[], depth: number, of: string) => {
    const most = shown.get(of) ?? PAGE;
    for (const node of nodes.slice(0, most)) {
      const unfolded = node.children.length > 0 ? isUnfolded(node) : undefined;
      const name =
        node.index === undefined
          ? (node.step?.name ?? node.open?.name ?? node.key)
          : texts.iteration(node.index);
      lines.push({
        path: node.path,
        name,
        status: statusOf(node, isOver),
        depth,
        node,
        isOpen: unfolded,
      });
      if (unfolded) add(node.children, depth + 1, node.path);
    }
    const last = lines.at(-1);
    if (nodes.length > most && last !== undefined)
      last.more = { of, count: Math.min(PAGE, nodes.length - most) };
  };
  add(roots, 0, "");
  const chosenAt = lines.findIndex((line) => line.path === chosen);
  useNeighbours(
    execution.id,
    [chosenAt - 1, chosenAt + 1].map((at) => lines[at]?.node?.step),
  );
  const move = (event: KeyboardEvent) => {
    const line = lines[chosenAt];
    if (line === undefined) return;
    let next: Line | undefined;
    if (event.key === "ArrowDown") next = lines[chosenAt + 1];
    else if (event.key === "ArrowUp") next = lines[chosenAt - 1];
    else if (event.key === "Home") next = lines[0];
    else if (event.key === "End") next = lines.at(-1);
    else if (event.key === "ArrowRight" && line.path !== undefined && line.isOpen === false)
      toggle(line.path, true);
    else if (event.key === "ArrowLeft" && line.path !== undefined && line.isOpen === true)
      toggle(line.path, false);
    else if (event.key === "ArrowLeft" && line.depth > 0) {
      next = lines.slice(0, chosenAt).findLast((before) => before.depth < line.depth);
    } else return;
    event.preventDefault();
    if (next === undefined) return;
    onChoose(next.path);
    tree.current?.querySelector<HTMLElement>(`[data-path="${CSS.escape(next.path ?? "")}"]`)?.focus();
  };
  return (
    <>
      <div role="tree" aria-label={texts.steps} className="steps" ref={tree} onKeyDown={move}>
        {lines.map((line) => {
          const isChosen = line.path === chosen;
          const step = line.node?.step;
          const time = line.node === undefined ? execution : timeOf(line.node);
          const span = spanOf(time, from, to, now);
          const attempts = step?.attempts ?? line.node?.open?.attempts ?? 0;
          return (
            <div key={line.path ?? ""} role="none">
              <div
                role="treeitem"
                className="step"
                aria-level={line.depth + 1}
                aria-selected={isChosen}
                aria-expanded={line.isOpen}
                tabIndex={isChosen || (chosenAt === -1 && line.path === undefined) ? 0 : -1}
                data-path={line.path ?? ""}
                data-skipped={line.status === "skipped" || undefined}
                onClick={() => onChoose(line.path)}
                onKeyDown={(event) => {
                  if (event.key === "Enter" || event.key === " ") {
                    event.preventDefault();
                    onChoose(line.path);
                  }
                }}
              >
                <span className="step-name" style={{ paddingLeft: line.depth * 16 }}>
                  {line.isOpen !== undefined && line.path !== undefined ? (
                    <span
                      className="step-arrow"
                      aria-hidden
                      data-open={line.isOpen || undefined}
                      onClick={(event) => {
                        event.stopPropagation();
                        toggle(line.path ?? "", !line.isOpen);
                      }}
                    >
                      <ChevronRight size={14} />
                    </span>
                  ) : (
                    hasLoops && <span className="step-arrow" />
                  )}
                  {line.status !== undefined && <StatusIcon status={line.status} />}
                  <span className="cut" title={line.name}>
                    {line.name}
                  </span>
                  {attempts > 1 && (
                    <span className="step-tries">
                      <RotateCw size={12} aria-hidden />
                      {texts.attempts(attempts)}
                    </span>
                  )}
                </span>
                <span className="step-time" aria-hidden>
                  {span !== undefined && (line.path !== undefined || isBegun) && (
                    <span
                      className={`step-bar step-bar-${line.node === undefined ? "whole" : line.status}`}
                      style={{
                        left: `min(${span.start * 100}%, 100% - 3px)`,
                        width: `${span.length * 100}%`,
                      }}
                    />
                  )}
                </span>
                <span className="step-took">
                  {line.path === undefined && !isBegun
                    ? ""
                    : tookOf(step?.began_at === undefined ? step?.duration_ms : undefined, time, now)}
                </span>
              </div>
              {line.more !== undefined && (
                <Button
                  kind="quiet"
                  size="dense"
                  className="step-more"
                  onClick={() => {
                    const { of } = line.more ?? { of: "" };
                    setShown(new Map(shown).set(of, (shown.get(of) ?? PAGE) + PAGE));
                  }}
                >
                  {texts.showMore(line.more.count)}
                </Button>
              )}
            </div>
          );
        })}
      </div>
      {roots.length === 0 && <p className="steps-none faint">{nothingOf(execution.status)}</p>}
    </>
  );
}

/** What is neither decided nor known to be under way holds something that is, unless all is over. */
function statusOf(node: StepNode, isOver: boolean): Status | undefined {
  if (node.step !== undefined) return node.step.status;
  if (node.open !== undefined) return standingOf(node.open);
  return isOver ? undefined : "RUNNING";
}

/** Nothing for what has no time, or has begun after `now` by this machine's clock. */
function tookOf(known: number | undefined, time: Timed, now: number): string {
  if (known !== undefined) return took(known);
  if (time.started_at === undefined) return "";
  const end = time.finished_at === undefined ? now : Date.parse(time.finished_at);
  const passed = end - Date.parse(time.started_at);
  return time.finished_at === undefined && passed <= 0 ? "" : took(Math.max(0, passed));
}

function nothingOf(status: Schemas["ExecutionStatus"]): string {
  if (status === "QUEUED") return texts.queued;
  if (status === "CANCELLED") return texts.neverBegan;
  return isFinal(status) ? texts.noStepsAtAll : texts.noSteps;
}
