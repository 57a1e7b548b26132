// A day in the life of a client: makes a workflow, calls its webhook and reads the execution. Every call goes through
// the generated types, so a description that does not say what the server does fails to compile or fails here.
import assert from "node:assert/strict";
import { env } from "node:process";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const { FLOWMATIC_URL: baseUrl, FLOWMATIC_KEY: key } = env;
assert(baseUrl && key, "FLOWMATIC_URL and FLOWMATIC_KEY say which server to call");
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

const graph: components["schemas"]["Graph"] = {
  nodes: [
    { key: "hook", type: "trigger.webhook" },
    {
      key: "reply",
      type: "flow.response",
      parameters: { status: 201, body: { total: "{{data.amount}}" } },
    },
  ],
  edges: [{ from: "hook", to: "reply" }],
};

const created = await api.POST("/api/v1/workflows", {
  body: { name: "Client check", active: true, graph },
});
assert(created.data, `no workflow: ${JSON.stringify(created.error)}`);
const workflow = created.data;
assert.equal(workflow.active, true);
assert.equal(workflow.graph.nodes[1]?.key, "reply");

const url = workflow.triggers[0]?.url;
assert(url, "the webhook has a URL");
const answer = await fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ data: { amount: 99.5 } }),
});
assert.equal(answer.status, 201);
assert.deepEqual(await answer.json(), { total: 99.5 });

const listed = await api.GET("/api/v1/executions", {
  params: { query: { workflow_id: workflow.id } },
});
assert(listed.data, `no executions: ${JSON.stringify(listed.error)}`);
const id = listed.data.data[0]?.id;
assert(id, "the list holds the execution");

// The answer may come before the finish.
const end = Date.now() + 30_000;
let execution: components["schemas"]["Execution"] | undefined;
do {
  const read = await api.GET("/api/v1/executions/{id}", { params: { path: { id } } });
  assert(read.data, `no execution: ${JSON.stringify(read.error)}`);
  execution = read.data;
} while (execution.status !== "COMPLETED" && Date.now() < end);
assert.equal(execution.status, "COMPLETED");
assert.deepEqual(execution.steps.map((step) => step.node), ["reply"]);

const stranger = createClient<paths>({ baseUrl });
const refused = await stranger.GET("/api/v1/workflows/{id}", { params: { path: { id: workflow.id } } });
assert.equal(refused.response.status, 401);
assert.equal(refused.error?.success, false);

// What comes next calls what it finds.
const deleted = await api.DELETE("/api/v1/workflows/{id}", { params: { path: { id: workflow.id } } });
assert.equal(deleted.response.status, 200);

console.log("the generated client and the server agree");
