import { useEffect, useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure } from "../../api/failure";
import { validateGraph } from "../../api/workflowChanges";
import { lineOf, locate, type Range, rangeOf } from "../../graph/jsonText";
import { sentence } from "../../text/text";
import { graphOf } from "./document";

export interface LineProblem {
  from: number;
  to: number;
  line: number;
  message: string;
}

const PAUSE = 500;

/** The server's mistakes where they stand in a text. */
function atLines(
  text: string,
  ranges: Map<string, Range>,
  problems: readonly Schemas["Problem"][],
): LineProblem[] {
  return problems.map(({ pointer, message }) => {
    const range = rangeOf(ranges, pointer);
    return { ...range, line: lineOf(text, range.from), message: sentence(message) };
  });
}

/** What the server has refused in a text. */
export function refusedIn(text: string, problems: readonly Schemas["Problem"][]): LineProblem[] {
  const located = locate(text);
  return "error" in located ? [] : atLines(text, located.ranges, problems);
}

/** What is wrong with a workflow's text: with the JSON at once, with the graph as soon as the server has looked at it. */
export function useProblems(text: string): { problems: LineProblem[]; isChecked: boolean } {
  const [found, setFound] = useState<{ text: string; problems: LineProblem[] }>();
  useEffect(() => {
    const located = locate(text);
    if ("error" in located) {
      const { at, message } = located.error;
      const problem = { from: at, to: at + 1, line: lineOf(text, at), message: sentence(message) };
      setFound({ text, problems: [problem] });
      return;
    }
    const graph = graphOf(located.value);
    const tell = (problems: readonly Schemas["Problem"][]) =>
      setFound({ text, problems: atLines(text, located.ranges, problems) });
    if (graph === undefined) {
      tell([{ pointer: "", message: "`graph` is missing" }]);
      return;
    }
    const end = new AbortController();
    const timer = setTimeout(() => {
      validateGraph(graph, end.signal).then(
        (checked) => tell(checked.problems),
        (error) => {
          if (!end.signal.aborted && asFailure(error).problems.length > 0) tell(asFailure(error).problems);
        },
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [text]);
  return { problems: found?.problems ?? [], isChecked: found?.text === text };
}
