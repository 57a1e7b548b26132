import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FileUp } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure, Failure } from "../../api/failure";
import { useStore } from "../../api/store";
import { importWorkflows } from "../../api/workflowChanges";
import { workflowsKey } from "../../api/workflows";
import { wantsImport } from "../../shell/overlays";
import { workflows } from "../../text/workflows";
import { tell } from "../../ui/toast";
import { ImportReport } from "./ImportReport";
import "./ImportWorkflows.css";

const texts = workflows.told;

/** Brings workflows in from a file: chosen with the button that `children` makes, dropped anywhere, or pasted. */
export function ImportWorkflows({ children }: { children: (choose: () => void) => ReactNode }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setIsOver] = useState(false);
  const [report, setReport] = useState<Schemas["ImportReport"]>();
  const [failure, setFailure] = useState<Failure>();
  const bringIn = useRef(async (_sources: readonly Source[]) => {});
  bringIn.current = async (sources) => {
    const made: Schemas["ImportedWorkflow"][] = [];
    const failed: { source: Source; failure: Failure }[] = [];
    for (const source of sources) {
      try {
        made.push(...(await importWorkflows(parse(await source.text()))).workflows);
      } catch (error) {
        failed.push({ source, failure: asFailure(error) });
      }
    }
    if (made.length > 0) await queries.invalidateQueries({ queryKey: workflowsKey });
    if (failed.length > 0) setFailure(asOne(failed, sources.length));
    const needs = made.some((one) => one.secrets.length + one.problems.length > 0);
    if (needs) setReport({ workflows: made });
    else if (made.length > 0) {
      const [only] = made;
      const open = () => void navigate({ to: "/workflows/$id", params: { id: only?.workflow.id ?? "" } });
      const action = made.length === 1 ? { action: { label: texts.open, run: open } } : {};
      tell("done", texts.imported(made.length), action);
    }
  };
  const isWanted = useStore(wantsImport);
  useEffect(() => {
    if (!isWanted) return;
    wantsImport.set(false);
    input.current?.click();
  }, [isWanted]);
  useEffect(() => {
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const over = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setIsOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setIsOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      setIsOver(false);
      void bringIn.current([...(event.dataTransfer?.files ?? [])]);
    };
    const paste = (event: ClipboardEvent) => {
      const [target] = event.composedPath() as HTMLElement[];
      const text = event.clipboardData?.getData("text/plain").trim() ?? "";
      if (target?.closest("input, textarea, [contenteditable]") != null || !text.startsWith("{")) return;
      if (text.includes('"flowmatic"')) void bringIn.current([{ text: async () => text }]);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
      document.removeEventListener("paste", paste);
    };
  }, []);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept="application/json,.json"
        multiple
        hidden
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          event.target.value = "";
          void bringIn.current(files);
        }}
      />
      {children(() => input.current?.click())}
      {isOver && (
        <div className="drop">
          <FileUp size={28} aria-hidden />
          {texts.dropHere}
        </div>
      )}
      <ImportReport
        report={report}
        failure={failure}
        onClose={() => {
          setReport(undefined);
          setFailure(undefined);
        }}
      />
    </>
  );
}

/** A file, or what was pasted. */
interface Source {
  name?: string;
  text: () => Promise<string>;
}

/** What went wrong with several files says with which. */
function asOne(failed: readonly { source: Source; failure: Failure }[], amount: number): Failure {
  const [first] = failed;
  if (first !== undefined && amount === 1) return first.failure;
  const problems = failed.flatMap(({ source: { name = "" }, failure }) =>
    failure.problems.length === 0
      ? [{ pointer: name, message: failure.message }]
      : failure.problems.map((problem) => ({ ...problem, pointer: `${name} ${problem.pointer}` })),
  );
  return new Failure("refused", texts.someFailed(failed.length, amount), { problems });
}

/** The server checks whether it is what it should be; here it is only JSON. */
function parse(text: string): Schemas["WorkflowFile"] {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("refused", texts.noFile);
  }
}
