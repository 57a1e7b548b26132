import type { ErrorComponentProps } from "@tanstack/react-router";
import { asFailure } from "../api/failure";
import { frame } from "../text/frame";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";

/** In place of a screen that failed to be drawn or loaded; the frame around it goes on. */
export function Broken({ error }: ErrorComponentProps) {
  const { title, text, reload } = frame.broken;
  return (
    <div role="alert">
      <EmptyState title={title} actions={<Button onClick={() => location.reload()}>{reload}</Button>}>
        {text} <code>{asFailure(error).message.slice(0, 300)}</code>
      </EmptyState>
    </div>
  );
}
