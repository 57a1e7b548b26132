import { count } from "./text";

const UNITS: Record<string, [one: string, other: string]> = {
  ms: ["millisecond", "milliseconds"],
  s: ["second", "seconds"],
  m: ["minute", "minutes"],
  h: ["hour", "hours"],
  d: ["day", "days"],
};

/** `Every minute` of `1m`, `Every 90 seconds` of `90s`. */
function every(time: string): string {
  const [, amount = "", unit = ""] = /^(\d+)(ms|[smhd])$/.exec(time) ?? [];
  const names = UNITS[unit];
  if (names === undefined) return `Every ${time}`;
  return Number(amount) === 1 ? `Every ${names[0]}` : `Every ${count(Number(amount), ...names)}`;
}

export const schedules = {
  title: "Schedules",
  list: "Schedules",
  columns: { workflow: "Workflow", when: "When", next: "Next", last: "Last run", on: "On" },
  every,
  /** The server's words for a cron pattern, shorter where people have a word for it. */
  plainly: (words: string) =>
    words
      .replace(/\.$/, "")
      .replace(/^At every /, "Every ")
      .replace("on Monday, Tuesday, Wednesday, Thursday, and Friday", "Monday to Friday")
      .replace("on Sunday and Saturday", "at weekends"),
  zone: (zone: string) => `in ${zone}`,
  off: "Its workflow is off",
  paused: "Paused",
  never: "Never",
  noNext: "No more",
  switchFor: (name: string) => `${name} on`,
  more: (name: string) => `More for ${name}`,
  actions: {
    run: "Run now",
    times: "Next ten times",
    workflow: "Open workflow",
    executions: "Show executions",
  },
  told: {
    paused: (name: string) => `${name} is paused`,
    resumed: (name: string) => `${name} goes on`,
    started: (name: string) => `${name} has started`,
    open: "Open",
    pauseWrong: "It could not be paused",
    resumeWrong: "It could not go on",
    runWrong: "It could not be started",
  },
  mayNot: "Your role may not change workflows.",
  mayNotRun: "Your role may not start workflows.",
  times: {
    title: (name: string) => `Next times of ${name}`,
    zone: (zone: string) => `As the clocks of ${zone} show them.`,
    zones: (zone: string) => `As the clocks of ${zone} show them, and yours.`,
    there: (zone: string) => `There (${zone})`,
    here: (zone: string) => `Here (${zone})`,
    none: "There is no further time.",
  },
  waiting: (amount: number) => `${count(amount, "time waits", "times wait")} for the run before`,
  skipped: (when: string) => `Left out ${when}`,
  reasons: {
    missed: "The server was not running when it was due.",
    overlap: "The run before had not ended.",
    queue_full: "Too many times waited for the run before.",
  } as Record<string, string>,
  total: (amount: number, isMore: boolean) =>
    isMore ? `${amount}+ schedules` : count(amount, "schedule", "schedules"),
  empty: {
    title: "No schedule yet",
    text: "A workflow that begins with a schedule is listed here once it is published.",
    action: "Make a workflow",
  },
};
