import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleAlert, CircleCheck, Play } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure, type Failure } from "../../api/failure";
import { useMay } from "../../api/may";
import { createWorkflow, publishWorkflow, restoreWorkflow, saveWorkflow } from "../../api/workflowChanges";
import { workflowOf, workflowsKey } from "../../api/workflows";
import { locate } from "../../graph/jsonText";
import { Page } from "../../shell/Page";
import { tellFailure } from "../../shell/tellFailure";
import { workflow as texts } from "../../text/workflow";
import { workflows } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { Chip } from "../../ui/Chip";
import type { JsonEditorHandle } from "../../ui/JsonEditor";
import { Words } from "../../ui/Prose";
import { SkeletonRows } from "../../ui/Skeleton";
import { Switch } from "../../ui/Switch";
import { tell } from "../../ui/toast";
import { ConflictDialog } from "./ConflictDialog";
import { normal, toText, toUpdate } from "./document";
import { RunDialog } from "./RunDialog";
import { Triggers } from "./Triggers";
import { forgetUnsaved, keepUnsaved, readUnsaved } from "./unsaved";
import { type LineProblem, refusedIn, useProblems } from "./useProblems";
import { UNDO_TIME, useWorkflowActions } from "./useWorkflowActions";
import { WorkflowMenu } from "./WorkflowMenu";
import "./WorkflowEditor.css";

const JsonEditor = lazy(() => import("../../ui/JsonEditor"));

interface WorkflowEditorProps {
  workflow: Schemas["Workflow"];
  /** The id of who edits it. */
  user: number;
  path: ReactNode;
}

export function WorkflowEditor({ workflow, user, path }: WorkflowEditorProps) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const may = useMay();
  const actions = useWorkflowActions();
  const editor = useRef<JsonEditorHandle>(null);
  // The draft that the text began from. A newer one of someone else's does not replace it.
  const [base, setBase] = useState(workflow);
  const [kept, setKept] = useState(() => readUnsaved(user, workflow.id));
  const [text, setText] = useState(() => kept?.text ?? toText(workflow));
  // Ctrl+S may come before what was typed last is drawn.
  const typed = useRef(text);
  const type = (next: string) => {
    typed.current = next;
    setText(next);
  };
  const [begun, setBegun] = useState(0);
  const [isBusy, setIsBusy] = useState(false);
  /** What somebody else, or another tab, has saved since. */
  const [theirs, setTheirs] = useState(
    kept !== undefined && kept.revision !== workflow.revision ? workflow : undefined,
  );
  const [isComparing, setIsComparing] = useState(false);
  const [isGone, setIsGone] = useState(false);
  const [isRunning, setIsRunning] = useState(false);
  const checked = useProblems(text);
  // What only a save could tell: it holds until the text is another.
  const [refused, setRefused] = useState<{ text: string; problems: LineProblem[] }>();
  const problems = useMemo(() => {
    const more = refused?.text === text ? refused.problems : [];
    const known = new Set(checked.problems.map(({ line, message }) => `${line} ${message}`));
    return [...checked.problems, ...more.filter(({ line, message }) => !known.has(`${line} ${message}`))];
  }, [checked.problems, refused, text]);
  const isSaving = useRef(false);
  const isWanted = useRef(false);
  /** The revision that the text began from. */
  const begunFrom = kept?.revision ?? base.revision;
  const isChanged = text !== toText(base);
  const mayNot = may("workflows:write") ? undefined : texts.mayNot;
  useEffect(() => {
    if (isChanged) keepUnsaved(user, base.id, { text, revision: begunFrom });
    else forgetUnsaved(user, base.id);
  }, [user, isChanged, text, base.id, begunFrom]);
  /** Another text in the editor. */
  const begin = (next: string) => {
    type(next);
    setBegun((before) => before + 1);
  };
  const beginAnew = (from: Schemas["Workflow"]) => {
    setBase(from);
    setKept(undefined);
    endConflict();
    begin(toText(from));
  };
  const endConflict = () => {
    setTheirs(undefined);
    setIsComparing(false);
  };
  const take = async (saved: Schemas["Workflow"], isTextOf: string) => {
    queries.setQueryData(workflowOf(saved.id).queryKey, saved);
    void queries.invalidateQueries({ queryKey: [...workflowsKey, "list"] });
    setKept(undefined);
    endConflict();
    // What was typed while it was saved stays.
    setBase(saved);
    if (typed.current === isTextOf && toText(saved) !== isTextOf) beginAnew(saved);
  };
  const refuse = (title: string, failure: Failure) => {
    const found = refusedIn(typed.current, failure.problems);
    setRefused({ text: typed.current, problems: found });
    tellFailure(title, failure);
    if (found[0] !== undefined) editor.current?.show(found[0].from);
  };
  const save = async (): Promise<Schemas["Workflow"] | undefined> => {
    if (isSaving.current) {
      isWanted.current = true;
      return undefined;
    }
    const located = locate(typed.current);
    if ("error" in located || mayNot !== undefined) {
      editor.current?.show("error" in located ? located.error.at : 0);
      return undefined;
    }
    if (theirs !== undefined) {
      setIsComparing(true);
      return undefined;
    }
    return send(located.value, begunFrom);
  };
  const send = async (value: unknown, revision: number): Promise<Schemas["Workflow"] | undefined> => {
    const sent = typed.current;
    isSaving.current = true;
    setIsBusy(true);
    try {
      const saved = await saveWorkflow(base.id, toUpdate(value, revision));
      setIsGone(false);
      await take(saved, sent);
      return saved;
    } catch (error) {
      const failure = asFailure(error);
      if (failure.isNotFound) {
        setIsGone(true);
        setIsComparing(false);
      } else if (failure.status === 409) await meet(sent);
      else refuse(texts.saveWrong, failure);
      return undefined;
    } finally {
      isSaving.current = false;
      setIsBusy(false);
    }
  };
  /** Somebody else was faster. */
  const meet = async (mine: string) => {
    try {
      const newer = await queries.fetchQuery({ ...workflowOf(base.id), staleTime: 0 });
      // They have typed the same.
      if (toText(newer) === normal(mine)) return await take(newer, mine);
      if (theirs !== undefined) tell("plain", texts.conflict.again);
      setTheirs(newer);
      setIsComparing(true);
    } catch (error) {
      tellFailure(texts.saveWrong, error);
    }
  };
  // What was asked for while another save went on is sent after it, on top of what that has made.
  useEffect(() => {
    if (isBusy || !isWanted.current) return;
    isWanted.current = false;
    if (isChanged && theirs === undefined) void save();
  });
  const publish = async () => {
    const saved = typed.current !== toText(base) ? await save() : base;
    if (saved === undefined) return;
    setIsBusy(true);
    try {
      const published = await publishWorkflow(saved.id, saved.revision);
      await take(published, toText(saved));
      tell("done", texts.published(published.version));
    } catch (error) {
      const failure = asFailure(error);
      if (failure.status === 409) await look(toText(saved));
      else refuse(texts.publishWrong, failure);
    } finally {
      setIsBusy(false);
    }
  };
  /** What is published must have been seen. What was typed since this was saved stays. */
  const look = async (saved: string) => {
    try {
      const newer = await queries.fetchQuery({ ...workflowOf(base.id), staleTime: 0 });
      if (typed.current !== saved) {
        setTheirs(newer);
        setIsComparing(true);
        return;
      }
      beginAnew(newer);
      tell("plain", texts.conflict.look, { lasts: UNDO_TIME });
    } catch (error) {
      tellFailure(texts.publishWrong, error);
    }
  };
  const turn = async (isOn: boolean) => {
    const turned = await actions.turn(base, isOn);
    if (turned !== undefined) setBase((now) => ({ ...now, active: turned.active }));
  };
  const keepMine = async () => {
    const located = locate(typed.current);
    if ("error" in located) return editor.current?.show(located.error.at);
    if (isSaving.current) return;
    isSaving.current = true;
    setIsBusy(true);
    try {
      const { name, description, graph } = toUpdate(located.value, 0);
      const copy = await createWorkflow({ name: texts.copyName(name), description, graph });
      forgetUnsaved(user, base.id);
      await navigate({ to: "/workflows/$id", params: { id: copy.id } });
    } catch (error) {
      tellFailure(texts.saveWrong, error);
    } finally {
      isSaving.current = false;
      setIsBusy(false);
    }
  };
  const saveMine = async (newer: Schemas["Workflow"]) => {
    const located = locate(typed.current);
    if ("error" in located) return;
    const saved = await send(located.value, newer.revision);
    if (saved === undefined) return;
    const putBack = async () => {
      try {
        const { name, description, graph } = newer;
        const again = await saveWorkflow(saved.id, {
          name,
          description: description ?? null,
          graph,
          revision: saved.revision,
        });
        queries.setQueryData(workflowOf(again.id).queryKey, again);
        // What was typed stays in the editor, on top of it.
        setBase(again);
        tell("done", texts.conflict.theirsBack);
      } catch (error) {
        tellFailure(texts.saveWrong, error);
      }
    };
    tell("done", texts.conflict.savedMine, {
      lasts: UNDO_TIME,
      action: { label: texts.conflict.undo, run: () => void putBack() },
    });
  };
  const takeTheirs = (newer: Schemas["Workflow"]) => {
    const mine = typed.current;
    queries.setQueryData(workflowOf(newer.id).queryKey, newer);
    beginAnew(newer);
    tell("plain", texts.conflict.tookTheirs, {
      lasts: UNDO_TIME,
      action: {
        label: texts.conflict.undo,
        run: () => {
          // For when one has gone elsewhere since.
          keepUnsaved(user, newer.id, { text: mine, revision: newer.revision });
          begin(mine);
        },
      },
    });
  };
  const restore = async () => {
    try {
      await restoreWorkflow(base.id);
      setIsGone(false);
      tell("done", texts.restored);
    } catch (error) {
      tellFailure(workflows.told.failed.restore, error);
    }
  };
  return (
    <Page
      title={base.name}
      path={path}
      state={
        <>
          {base.version === undefined ? (
            <Chip tone="warning">{workflows.state.draft}</Chip>
          ) : (
            <>
              <Chip>{workflows.state.published(base.version)}</Chip>
              <Switch
                label={workflows.switchFor(base.name)}
                isOn={base.active}
                disabledBecause={mayNot}
                onChange={turn}
              />
            </>
          )}
          <span className="saved" role="status">
            {isChanged ? texts.unsaved : base.has_changes ? texts.savedOnly : texts.saved}
          </span>
        </>
      }
      actions={
        <>
          <Button
            className="run-button"
            icon={<Play size={14} aria-hidden />}
            disabledBecause={base.version === undefined ? workflows.because.notPublished : undefined}
            onClick={() => setIsRunning(true)}
          >
            {workflows.run.button}
          </Button>
          <Button
            isBusy={isBusy}
            disabledBecause={mayNot ?? (isChanged ? undefined : texts.nothingNew)}
            onClick={() => void save()}
          >
            {texts.save}
          </Button>
          <Button
            kind="primary"
            isBusy={isBusy}
            disabledBecause={mayNot ?? (problems.length > 0 ? texts.hasProblems : undefined)}
            onClick={() => void publish()}
          >
            {texts.publish}
          </Button>
          <WorkflowMenu workflow={base} onRun={() => setIsRunning(true)} isOnItsOwn />
        </>
      }
    >
      <div role="status">
        {isGone ? (
          <div className="notice">
            <span>{texts.gone}</span>
            <Button size="dense" onClick={() => void restore()}>
              {texts.restore}
            </Button>
            <Button size="dense" onClick={() => void keepMine()}>
              {texts.conflict.copy}
            </Button>
          </div>
        ) : theirs !== undefined ? (
          <div className="notice">
            <span>{texts.newer}</span>
            <Button size="dense" onClick={() => setIsComparing(true)}>
              {texts.compare}
            </Button>
          </div>
        ) : (
          kept !== undefined && (
            <div className="notice">
              <span>{kept.isMissingSecrets ? texts.keptWithoutSecrets : texts.kept}</span>
              <Button size="dense" onClick={() => beginAnew(base)}>
                {texts.discard}
              </Button>
            </div>
          )
        )}
      </div>
      <div className="workflow">
        <div className="card workflow-editor">
          <Suspense fallback={<SkeletonRows />}>
            <JsonEditor
              key={begun}
              ref={editor}
              label={texts.editor}
              initial={text}
              problems={problems}
              isReadOnly={mayNot !== undefined}
              onChange={type}
              onSave={() => void save()}
            />
          </Suspense>
        </div>
        <div className="workflow-side">
          <Problems
            problems={problems}
            isChecked={checked.isChecked}
            onShow={(at) => editor.current?.show(at)}
          />
          <Triggers workflow={base} />
        </div>
      </div>
      {theirs !== undefined && isComparing && (
        <ConflictDialog
          theirs={theirs}
          user={user}
          mine={text}
          mayNot={mayNot ?? ("error" in locate(text) ? texts.hasProblems : undefined)}
          isBusy={isBusy}
          onMine={() => void saveMine(theirs)}
          onTheirs={() => takeTheirs(theirs)}
          onCopy={() => void keepMine()}
          onClose={() => setIsComparing(false)}
        />
      )}
      {isRunning && <RunDialog workflow={base} onClose={() => setIsRunning(false)} />}
    </Page>
  );
}

function Problems({
  problems,
  isChecked,
  onShow,
}: {
  problems: readonly LineProblem[];
  isChecked: boolean;
  onShow: (at: number) => void;
}) {
  const isFine = problems.length === 0;
  return (
    <section className="card workflow-part">
      <h2 className={isFine ? "" : "workflow-wrong"}>
        {isFine ? <CircleCheck size={16} aria-hidden /> : <CircleAlert size={16} aria-hidden />}
        <span role="status">
          {isFine ? (isChecked ? texts.noProblems : texts.checking) : texts.problems(problems.length)}
        </span>
      </h2>
      {!isFine && (
        <ul className="workflow-problems">
          {problems.map((problem) => (
            <li key={`${problem.from} ${problem.message}`}>
              <button type="button" onClick={() => onShow(problem.from)}>
                <span className="faint">{texts.line(problem.line)}</span> <Words text={problem.message} />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
