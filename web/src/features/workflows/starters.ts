import type { Schemas } from "../../api/client";

export type Starter = "webhook" | "schedule" | "manual";

/** Small graphs to begin with. They have no mistakes, so that they can be switched on at once. */
export const STARTERS: Record<Starter, Schemas["Graph"]> = {
  webhook: {
    nodes: [
      { key: "hook", type: "trigger.webhook", name: "Webhook", position: { x: 0, y: 0 } },
      {
        key: "fields",
        type: "data.set",
        name: "Set fields",
        parameters: { fields: { received: true } },
        position: { x: 280, y: 0 },
      },
      {
        key: "answer",
        type: "flow.response",
        name: "Answer",
        parameters: { status: 200, body: "{{_nodes.fields}}" },
        position: { x: 560, y: 0 },
      },
    ],
    edges: [
      { from: "hook", to: "fields" },
      { from: "fields", to: "answer" },
    ],
  },
  schedule: {
    nodes: [
      {
        key: "at",
        type: "trigger.schedule",
        name: "Every weekday at 9",
        parameters: {
          cron: "0 9 * * 1-5",
          timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
        },
        position: { x: 0, y: 0 },
      },
      {
        key: "fields",
        type: "data.set",
        name: "Set fields",
        parameters: { fields: { due: "{{_schedule.scheduledAt}}" } },
        position: { x: 280, y: 0 },
      },
    ],
    edges: [{ from: "at", to: "fields" }],
  },
  manual: {
    nodes: [
      { key: "start", type: "trigger.manual", name: "Start", position: { x: 0, y: 0 } },
      {
        key: "fields",
        type: "data.set",
        name: "Set fields",
        parameters: { fields: { hello: "world" } },
        position: { x: 280, y: 0 },
      },
    ],
    edges: [{ from: "start", to: "fields" }],
  },
};
