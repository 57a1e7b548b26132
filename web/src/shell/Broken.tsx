import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { asFailure } from "../api/failure";
import { frame } from "../text/frame";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { tryScreensAgain } from "./screen";

/** In place of a screen that failed to be drawn or loaded; the frame around it goes on. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const { title, text, again, reload } = frame.broken;
  const router = useRouter();
  // Whoever leaves it and comes back has it loaded again.
  useEffect(() => tryScreensAgain, []);
  const tryAgain = () => {
    tryScreensAgain();
    reset();
    void router.invalidate();
  };
  return (
    <div role="alert">
      <EmptyState
        isScreen
        title={title}
        actions={
          <>
            <Button kind="primary" onClick={tryAgain}>
              {again}
            </Button>
            <Button onClick={() => location.reload()}>{reload}</Button>
          </>
        }
      >
        {text} <code>{asFailure(error).message.slice(0, 300)}</code>
      </EmptyState>
    </div>
  );
}
