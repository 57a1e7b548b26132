import type { Schemas } from "../api/client";

const names: Record<Schemas["ExecutionStatus"] | Schemas["StepStatus"], string> = {
  QUEUED: "Queued",
  RUNNING: "Running",
  WAITING: "Waiting",
  COMPLETED: "Completed",
  FAILED: "Failed",
  CANCELLED: "Cancelled",
  TIMED_OUT: "Timed out",
  completed: "Completed",
  failed: "Failed",
  skipped: "Skipped",
  cancelled: "Cancelled",
};

const modes: Record<Schemas["ExecutionMode"], string> = {
  webhook: "Webhook",
  manual: "By hand",
  schedule: "Schedule",
  retry: "Retry",
  call: "Another workflow",
  error: "Failed workflow",
};

export const statuses = { names, modes };
