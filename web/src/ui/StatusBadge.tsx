import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  LoaderCircle,
  SkipForward,
  TimerOff,
} from "lucide-react";
import type { Schemas } from "../api/client";
import { statuses } from "../text/statuses";
import "./StatusBadge.css";

export type Status = Schemas["ExecutionStatus"] | Schemas["StepStatus"];

const LOOKS = {
  QUEUED: ["neutral", CircleDashed],
  RUNNING: ["running", LoaderCircle],
  WAITING: ["waiting", Clock],
  COMPLETED: ["ok", CircleCheck],
  FAILED: ["error", CircleX],
  CANCELLED: ["neutral", Ban],
  TIMED_OUT: ["error", TimerOff],
  completed: ["ok", CircleCheck],
  failed: ["error", CircleX],
  skipped: ["neutral", SkipForward],
  cancelled: ["neutral", Ban],
} as const;

/** How something ended or stands: an icon and a word, and a colour beside them. */
export function StatusBadge({ status, isPlain = false }: { status: Status; isPlain?: boolean }) {
  // A newer server may know more.
  const [tone, Icon] = LOOKS[status] ?? ["neutral", CircleDashed];
  return (
    <span className={`status tone-${tone} ${isPlain ? "status-plain" : ""}`}>
      <Icon size={14} aria-hidden className={status === "RUNNING" ? "turning" : ""} />
      {statuses.names[status] ?? status}
    </span>
  );
}

/** The icon alone, where the word stands beside it or is read aloud. */
export function StatusIcon({ status, size = 16 }: { status: Status; size?: number }) {
  const [tone, Icon] = LOOKS[status] ?? ["neutral", CircleDashed];
  return (
    <span className={`status-icon tone-${tone}`}>
      <Icon size={size} aria-hidden className={status === "RUNNING" ? "turning" : ""} />
      <span className="unseen">{statuses.names[status] ?? status}</span>
    </span>
  );
}
