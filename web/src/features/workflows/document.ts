import type { Schemas } from "../../api/client";

/** What of a workflow one edits as JSON: pointers of the server's mistakes begin in it. */
export function toText({ name, description, graph }: Schemas["Workflow"]): string {
  return `${JSON.stringify({ name, description: description ?? "", graph }, null, 2)}\n`;
}

/** As the server would write it, so that only what it says is compared; as it is where it is no JSON yet. */
export function normal(text: string): string {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
  } catch {
    return text;
  }
}

/** As it is sent: the server says what is wrong with it. */
export function toUpdate(value: unknown, revision: number): Schemas["WorkflowUpdate"] {
  const fields = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return { ...(fields as Omit<Schemas["WorkflowUpdate"], "revision">), revision };
}

export function graphOf(value: unknown): Schemas["Graph"] | undefined {
  const graph = (value as { graph?: unknown } | null)?.graph;
  return typeof graph === "object" && graph !== null ? (graph as Schemas["Graph"]) : undefined;
}
