import { count } from "./text";

export const webhooks = {
  title: "Webhooks",
  list: "Incoming webhooks",
  columns: { workflow: "Workflow", address: "Address", state: "State", last: "Last call", copy: "Copy" },
  state: { live: "Live", off: "Off", draft: "Not published" },
  never: "Never",
  total: (amount: number, isMore: boolean) =>
    isMore ? `${amount}+ webhooks` : count(amount, "webhook", "webhooks"),
  copy: (name: string) => `Address of ${name}`,
  open: (name: string) => `Open ${name}`,
  empty: {
    title: "No webhook yet",
    text: "A workflow that begins with a webhook has an address that other systems call.",
    action: "Make a workflow",
  },
  detail: {
    address: "Address",
    methods: "Methods",
    authentication: "Authentication",
    noAuthentication: "None: whoever knows the address may call it",
    curl: "Call it",
    workflow: "Open workflow",
    executions: "Show executions",
    test: "Send a test",
    body: "Body",
    bodyHint: "JSON, as another system would send it.",
    notJson: "This is no JSON.",
    send: "Send test",
    answered: (status: number, time: string) => `Answered ${status} in ${time}`,
    answer: "Answer",
    failed: "No answer came",
    notLive: "It is off: calls are refused until its workflow is switched on.",
    needsSecret: "A test from here cannot be signed: only callers who have the secret can call it.",
  },
};
