// Workflows that are deleted unless it is undone within seconds: until then they are only hidden.

import { api, ask } from "./client";
import { queries } from "./queries";
import { store } from "./store";
import { workflowsKey } from "./workflows";

export const deleting = store<ReadonlySet<string>>(new Set());

/** Hides it. What is answered undoes that, or carries it out. */
export function hideWorkflow(id: string): { undo: () => boolean; carryOut: () => Promise<void> } {
  deleting.set(new Set([...deleting.get(), id]));
  let isOpen = true;
  const undo = () => {
    if (!isOpen) return false;
    isOpen = false;
    show(id);
    return true;
  };
  const carryOut = async () => {
    if (!isOpen) return;
    isOpen = false;
    try {
      await ask(api.DELETE("/api/v1/workflows/{id}", { params: { path: { id } } }));
      await queries.invalidateQueries({ queryKey: workflowsKey });
    } finally {
      show(id);
    }
  };
  return { undo, carryOut };
}

function show(id: string): void {
  const left = new Set(deleting.get());
  left.delete(id);
  deleting.set(left);
}

/** Who closes the page has not undone it. */
addEventListener("pagehide", () => {
  for (const id of deleting.get()) {
    void fetch(`/api/v1/workflows/${id}`, { method: "DELETE", keepalive: true });
  }
});
