import { useQueryClient } from "@tanstack/react-query";
import { FileUp } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure, Failure } from "../../api/failure";
import { importWorkflows, workflowsKey } from "../../api/workflows";
import { workflows } from "../../text/workflows";
import { tell } from "../../ui/toast";
import { ImportReport } from "./ImportReport";
import "./ImportWorkflows.css";

const texts = workflows.told;

/** Brings workflows in from a file: chosen with the button that `children` makes, dropped anywhere, or pasted. */
export function ImportWorkflows({ children }: { children: (choose: () => void) => ReactNode }) {
  const queries = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setIsOver] = useState(false);
  const [report, setReport] = useState<Schemas["ImportReport"]>();
  const [failure, setFailure] = useState<Failure>();
  const bringIn = useRef(async (_text: string) => {});
  bringIn.current = async (text) => {
    try {
      const made = await importWorkflows(parse(text));
      await queries.invalidateQueries({ queryKey: workflowsKey });
      const needs = made.workflows.some((one) => one.secrets.length + one.problems.length > 0);
      if (needs) setReport(made);
      else tell("done", texts.imported(made.workflows.length));
    } catch (error) {
      setFailure(asFailure(error));
    }
  };
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
      void event.dataTransfer?.files[0]?.text().then((text) => bringIn.current(text));
    };
    const paste = (event: ClipboardEvent) => {
      const [target] = event.composedPath() as HTMLElement[];
      const text = event.clipboardData?.getData("text/plain").trim() ?? "";
      if (target?.closest("input, textarea, [contenteditable]") != null || !text.startsWith("{")) return;
      if (text.includes('"flowmatic"')) void bringIn.current(text);
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
        hidden
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          void file?.text().then((text) => bringIn.current(text));
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

/** The server checks whether it is what it should be; here it is only JSON. */
function parse(text: string): Schemas["WorkflowFile"] {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("refused", texts.noFile);
  }
}
