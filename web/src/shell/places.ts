// The main screens, in the order of the navigation. One that is added here is in the navigation, in the commands and on
// the sheet of shortcuts.

import {
  Blocks,
  CalendarClock,
  KeyRound,
  ListChecks,
  type LucideIcon,
  Settings,
  Users,
  Webhook,
  Workflow,
} from "lucide-react";
import { shell } from "../text/shell";

export interface Place {
  to:
    | "/workflows"
    | "/executions"
    | "/schedules"
    | "/workspace/webhooks"
    | "/connectors"
    | "/workspace/api-keys"
    | "/workspace/people"
    | "/settings";
  label: string;
  icon: LucideIcon;
  /** After `G`. */
  key: string;
  /** Apart from those of the daily work. */
  isAside?: boolean;
}

const { pages } = shell;

export const places: readonly Place[] = [
  { to: "/workflows", label: pages.workflows, icon: Workflow, key: "W" },
  { to: "/executions", label: pages.executions, icon: ListChecks, key: "E" },
  { to: "/schedules", label: pages.schedules, icon: CalendarClock, key: "S" },
  { to: "/workspace/webhooks", label: pages.webhooks, icon: Webhook, key: "H" },
  { to: "/connectors", label: pages.connectors, icon: Blocks, key: "C" },
  { to: "/workspace/api-keys", label: pages.apiKeys, icon: KeyRound, key: "K", isAside: true },
  { to: "/workspace/people", label: pages.people, icon: Users, key: "P", isAside: true },
  { to: "/settings", label: pages.settings, icon: Settings, key: "T", isAside: true },
];
