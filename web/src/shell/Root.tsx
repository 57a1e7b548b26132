import { CSPProvider } from "@base-ui/react/csp-provider";
import { Outlet } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { session, useSession } from "../api/session";
import { lazyAgain } from "../ui/lazyAgain";
import { waiting } from "../ui/toast";
import { closeOverlay } from "./overlays";
import { whenIdle } from "./whenIdle";

const Toasts = lazyAgain(() => import("../ui/Toasts"));
const LogInAgain = lazyAgain(() => import("../features/login/LogInAgain"));

/** Around all screens: messages, and the log-in over a session that has ended. */
export function Root() {
  const { isExpired } = useSession();
  const [hasMessages, setHasMessages] = useState(waiting.get().length > 0);
  const [hasExpired, setHasExpired] = useState(isExpired);
  // What tells of a server that is away must be here by then. What could not be loaded is tried again with each message.
  useEffect(() => whenIdle(Toasts.load), []);
  useEffect(
    () =>
      waiting.subscribe(() => {
        setHasMessages(true);
        Toasts.load();
      }),
    [],
  );
  useEffect(
    () =>
      session.subscribe(() => {
        const { id, isExpired } = session.get();
        if (id !== undefined && !isExpired) return;
        // What is typed into a log-in is not for the commands under it.
        closeOverlay();
        if (isExpired) LogInAgain.load();
      }),
    [],
  );
  if (isExpired && !hasExpired) setHasExpired(true);
  return (
    // The pages' policy refuses styles that are inline, as the kit would make them.
    <CSPProvider disableStyleElements>
      <Outlet />
      {hasMessages && <Toasts />}
      {hasExpired && <LogInAgain />}
    </CSPProvider>
  );
}
