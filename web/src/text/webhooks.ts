import { count } from "./text";

export const webhooks = {
  title: "Webhooks",
  list: "Incoming webhooks",
  search: "Search webhooks",
  filter: "State",
  filters: { all: "All", live: "Live", off: "Off" },
  columns: {
    workflow: "Workflow",
    address: "Address",
    methods: "Methods",
    authentication: "Authentication",
    state: "State",
    last: "Last call",
    copy: "Copy",
  },
  auth: { none: "None", hmac: "Signature", token: "Secret", basic: "Password" } as Record<string, string>,
  proof: {
    none: "None: whoever knows the address may call it",
    token: (header: string) => `The secret, in the header \`${header}\``,
    basic: (name: string) => `HTTP Basic, with the name \`${name}\` and its password`,
    hmac: (algorithm: string, encoding: string, header: string, prefix: string) =>
      `The body signed with the secret (HMAC ${algorithm.toUpperCase()}, ${encoding}), in the header \`${header}\`${
        prefix === "" ? "" : ` after \`${prefix}\``
      }`,
  },
  state: { live: "Live", off: "Off", draft: "Not published" },
  never: "Never",
  total: (amount: number, isMore: boolean) =>
    isMore ? `${amount}+ webhooks` : count(amount, "webhook", "webhooks"),
  copy: (name: string) => `Address of ${name}`,
  empty: {
    title: "No webhook yet",
    text: "A workflow that begins with a webhook has an address that other systems call.",
    action: "Make a workflow",
    none: "No webhook fits",
    clear: "Show all webhooks",
  },
  detail: {
    title: "Webhook",
    method: "Method",
    headers: "Headers",
    execution: "Show its execution",
    mayNot: "Your role may not start workflows.",
    cannot: {
      live: undefined,
      off: "It is off: calls are refused until its workflow is switched on.",
      draft: "It is not published: calls are refused until its workflow is.",
    },
    address: "Address",
    methods: "Methods",
    authentication: "Authentication",
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
  },
};
