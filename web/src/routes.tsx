// Every address of the application. The server opens the application at the same first parts (`ADDRESSES` in lib.rs).

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { authState, sessionList } from "./api/account";
import { patiently } from "./api/connection";
import { connectorList } from "./api/connectors";
import { executionList, executionOf } from "./api/executions";
import { keyList } from "./api/keys";
import { whereAllowed } from "./api/may";
import { userList } from "./api/people";
import { queries } from "./api/queries";
import { scheduleList } from "./api/schedules";
import { session } from "./api/session";
import { webhookList } from "./api/webhooks";
import { workflowList, workflowOf } from "./api/workflows";
import { readConnectorSearch } from "./features/connectors/search";
import { filterOf, readExecutionSearch, readExecutionView } from "./features/executions/search";
import { readKeySearch } from "./features/keys/search";
import { readWebhookSearch } from "./features/webhooks/search";
import { readWorkflowSearch } from "./features/workflows/search";
import { Broken } from "./shell/Broken";
import { Root } from "./shell/Root";

/** What is shown at an address, loaded when it is wanted. */
const screen = <T extends Record<string, unknown>>(load: () => Promise<T>) =>
  lazyRouteComponent(() => patiently(load));

const NotFound = screen(() => import("./shell/NotFound"));

const root = createRootRoute({ component: Root, notFoundComponent: NotFound, errorComponent: Broken });

const setUp = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  beforeLoad: leaveIfLoggedIn,
  loader: () => void queries.prefetchQuery(authState),
  component: screen(() => import("./features/setup/SetUpPage")),
});

const logIn = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (search: Record<string, unknown>): { to?: string | undefined } => {
    // Never to another host: `//elsewhere` would lead there.
    const to = typeof search.to === "string" && /^\/(?![/\\])/.test(search.to) ? search.to : undefined;
    return { to };
  },
  beforeLoad: leaveIfLoggedIn,
  loader: () => void queries.prefetchQuery(authState),
  component: screen(() => import("./features/login/LogInPage")),
});

const join = createRoute({
  getParentRoute: () => root,
  path: "/join",
  component: screen(() => import("./features/setup/JoinPage")),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  component: screen(() => import("./shell/Shell")),
  beforeLoad: ({ location }) => {
    if (session.get().id !== undefined) return;
    const to = location.href === "/" || location.href === "/workflows" ? undefined : location.href;
    throw redirect({ to: "/login", search: { to }, replace: true });
  },
});

const start = createRoute({
  getParentRoute: () => shell,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/workflows", replace: true });
  },
});

const workflows = createRoute({
  getParentRoute: () => shell,
  path: "/workflows",
  validateSearch: readWorkflowSearch,
  loaderDeps: ({ search: { search, status, sort } }) => ({ search, status, sort }),
  // Asked for while the screen itself is loaded.
  loader: ({ deps }) => void queries.prefetchInfiniteQuery(workflowList(deps)),
  component: screen(() => import("./features/workflows/WorkflowsPage")),
});

const workflow = createRoute({
  getParentRoute: () => shell,
  path: "/workflows/$id",
  loader: ({ params }) => void queries.prefetchQuery(workflowOf(params.id)),
  component: screen(() => import("./features/workflows/WorkflowPage")),
});

const executions = createRoute({
  getParentRoute: () => shell,
  path: "/executions",
  validateSearch: readExecutionSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ deps }) => void queries.prefetchInfiniteQuery(executionList(filterOf(deps))),
  component: screen(() => import("./features/executions/ExecutionsPage")),
});

const execution = createRoute({
  getParentRoute: () => shell,
  path: "/executions/$id",
  validateSearch: readExecutionView,
  loader: ({ params }) => void queries.prefetchQuery(executionOf(params.id)),
  component: screen(() => import("./features/executions/ExecutionPage")),
});

const schedules = createRoute({
  getParentRoute: () => shell,
  path: "/schedules",
  loader: () => void queries.prefetchInfiniteQuery(scheduleList),
  component: screen(() => import("./features/schedules/SchedulesPage")),
});

const webhooks = createRoute({
  getParentRoute: () => shell,
  path: "/workspace/webhooks",
  validateSearch: readWebhookSearch,
  loaderDeps: ({ search: { search, active } }) => ({ search, active }),
  loader: ({ deps }) => void queries.prefetchInfiniteQuery(webhookList(deps)),
  component: screen(() => import("./features/webhooks/WebhooksPage")),
});

const connectors = createRoute({
  getParentRoute: () => shell,
  path: "/connectors",
  validateSearch: readConnectorSearch,
  loader: () => void queries.prefetchQuery(connectorList),
  component: screen(() => import("./features/connectors/ConnectorsPage")),
});

const connector = createRoute({
  getParentRoute: () => shell,
  path: "/connectors/$type",
  loader: () => void queries.prefetchQuery(connectorList),
  component: screen(() => import("./features/connectors/ConnectorPage")),
});

const keys = createRoute({
  getParentRoute: () => shell,
  path: "/workspace/api-keys",
  validateSearch: readKeySearch,
  loader: () => void whereAllowed("keys:manage", () => queries.prefetchInfiniteQuery(keyList)),
  component: screen(() => import("./features/keys/KeysPage")),
});

const people = createRoute({
  getParentRoute: () => shell,
  path: "/workspace/people",
  loader: () => void whereAllowed("workspace:admin", () => queries.prefetchInfiniteQuery(userList)),
  component: screen(() => import("./features/people/PeoplePage")),
});

const settings = createRoute({
  getParentRoute: () => shell,
  path: "/settings",
  loader: () => void queries.prefetchQuery(sessionList),
  component: screen(() => import("./features/settings/SettingsPage")),
});

export const router = createRouter({
  routeTree: root.addChildren([
    setUp,
    logIn,
    join,
    shell.addChildren([
      start,
      workflows,
      workflow,
      executions,
      execution,
      schedules,
      webhooks,
      connectors,
      connector,
      keys,
      people,
      settings,
    ]),
  ]),
  defaultPreload: "intent",
  defaultPendingMs: 150,
  scrollRestoration: true,
  defaultErrorComponent: Broken,
  defaultNotFoundComponent: NotFound,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Logging in and out leads elsewhere, from wherever one is. */
session.subscribe(() => void router.invalidate());

function leaveIfLoggedIn({ search }: { search: { to?: string | undefined } }): void {
  if (session.get().id !== undefined) throw redirect({ href: search.to ?? "/workflows", replace: true });
}
