// The main screens, in the order of the navigation. One that is added here is in the navigation, in the commands and on
// the sheet of shortcuts.

import { ListChecks, type LucideIcon, Workflow } from "lucide-react";
import { shell } from "../text/shell";

export interface Place {
  to: "/workflows" | "/executions";
  label: string;
  icon: LucideIcon;
  /** After `G`. */
  key: string;
}

export const places: readonly Place[] = [
  { to: "/workflows", label: shell.pages.workflows, icon: Workflow, key: "W" },
  { to: "/executions", label: shell.pages.executions, icon: ListChecks, key: "E" },
];
