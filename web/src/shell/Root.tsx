import { CSPProvider } from "@base-ui/react/csp-provider";
import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { patiently } from "../api/connection";
import { useSession } from "../api/session";
import { waiting } from "../ui/toast";

const Toasts = lazy(() => patiently(() => import("../ui/Toasts")));
const LogInAgain = lazy(() => patiently(() => import("../features/login/LogInAgain")));

/** Around all screens: messages, and the log-in over a session that has ended. */
export function Root() {
  const { isExpired } = useSession();
  const [hasMessages, setHasMessages] = useState(waiting.get().length > 0);
  const [hasExpired, setHasExpired] = useState(isExpired);
  useEffect(() => waiting.subscribe(() => setHasMessages(true)), []);
  if (isExpired && !hasExpired) setHasExpired(true);
  return (
    // The pages' policy refuses styles that are inline, as the kit would make them.
    <CSPProvider disableStyleElements>
      <Outlet />
      <Suspense>
        {hasMessages && <Toasts />}
        {hasExpired && <LogInAgain />}
      </Suspense>
    </CSPProvider>
  );
}
