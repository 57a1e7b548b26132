import type { Schemas } from "../api/client";
import { count } from "./text";

type Scope = Schemas["Scope"];

/** What each scope lets a program do, in plain words. */
const scopes: Record<Scope, string> = {
  "workflows:read": "See workflows, schedules and connectors",
  "workflows:write": "Make, change and delete workflows",
  "workflows:execute": "Start workflows",
  "executions:read": "See executions and what went through them",
  "executions:write": "Retry and cancel executions",
  "credentials:manage": "Manage credentials",
  "jobs:read": "See jobs",
  "jobs:write": "Start and change jobs",
  "leads:read": "See leads",
  "leads:write": "Make and change leads",
  "leads:export": "Export leads",
  "audits:read": "See audits",
  "audits:write": "Start audits",
  "monitors:read": "See monitors",
  "monitors:write": "Make and change monitors",
  "webhooks:manage": "Manage webhook subscriptions",
  "keys:manage": "Make and delete API keys",
  "workspace:admin": "Manage people and settings",
};

const groups: Record<string, string> = {
  workflows: "Workflows",
  executions: "Executions",
  credentials: "Credentials",
  jobs: "Jobs",
  leads: "Leads",
  audits: "Audits",
  monitors: "Monitors",
  webhooks: "Webhooks",
  keys: "API keys",
  workspace: "Workspace",
};

export const keys = {
  title: "API keys",
  list: "API keys",
  new: "New key",
  columns: {
    name: "Name",
    key: "Begins with",
    scopes: "May",
    created: "Made",
    creator: "By",
    expires: "Expires",
    used: "Last used",
    more: "Delete",
  },
  scopes,
  groups,
  scopeCount: (amount: number, all: number) =>
    amount === all ? "Everything" : count(amount, "thing", "things"),
  never: "Never",
  somebody: "Somebody who is gone",
  machine: "The command line",
  expired: "Expired",
  lifetimes: { never: "Never", month: "In 30 days", quarter: "In 90 days", year: "In a year" },
  delete: (name: string) => `Delete ${name}`,
  mayNot: "Only owners may manage API keys.",
  mayNotTitle: "Only owners see this",
  mayNotText: "An owner can make a key for your program, and choose what it may do.",
  empty: {
    title: "No API key yet",
    text: "Programs call the API with a key. Each may do only what you choose.",
  },
  create: {
    title: "New API key",
    name: "Name",
    nameHint: "Who or what will use it.",
    nameMissing: "Give it a name, such as Shop server.",
    expires: "It expires",
    expiresHint: "From then on it is refused.",
    may: "It may",
    presets: "Choose at once",
    everything: "Everything",
    reading: "Only see",
    running: "Start workflows",
    nothing: "Nothing",
    scopeMissing: "Choose at least one thing that it may do.",
    button: "Make key",
  },
  made: {
    title: "Your new key",
    text: "Copy it now. It is shown this once and never again.",
    key: "API key",
    curl: "Try it",
    done: "I have copied it",
  },
  remove: {
    title: (name: string) => `Delete ${name}?`,
    text: "Programs that use it are refused at once. This cannot be undone.",
    button: "Delete key",
    done: (name: string) => `${name} is deleted`,
  },
};
