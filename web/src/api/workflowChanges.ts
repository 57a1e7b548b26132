// What is done to workflows. Apart from their questions, which are loaded with every screen.

import { api, ask, type Schemas } from "./client";

/** Refused where the draft was saved again since this revision. */
export function publishWorkflow(id: string, revision?: number) {
  return ask(api.POST("/api/v1/workflows/{id}/publish", { params: { path: { id } }, body: { revision } }));
}

export function activateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/activate", { params: { path: { id } } }));
}

export function deactivateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/deactivate", { params: { path: { id } } }));
}

export function deleteWorkflow(id: string) {
  return ask(api.DELETE("/api/v1/workflows/{id}", { params: { path: { id } } }));
}

export function restoreWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/restore", { params: { path: { id } } }));
}

export function duplicateWorkflow(id: string) {
  return ask(api.POST("/api/v1/workflows/{id}/duplicate", { params: { path: { id } }, body: {} }));
}

export function exportWorkflow(id: string) {
  return ask(api.GET("/api/v1/workflows/{id}/export", { params: { path: { id } } }));
}

export function importWorkflows(file: Schemas["WorkflowFile"]) {
  return ask(api.POST("/api/v1/workflows/import", { body: file }));
}

export function createWorkflow(workflow: Schemas["WorkflowCreate"]) {
  return ask(api.POST("/api/v1/workflows", { body: workflow }));
}

export function executeWorkflow(id: string, input: Record<string, unknown>) {
  return ask(api.POST("/api/v1/workflows/{id}/execute", { params: { path: { id } }, body: { input } }));
}

export function saveWorkflow(id: string, update: Schemas["WorkflowUpdate"]) {
  return ask(api.PUT("/api/v1/workflows/{id}", { params: { path: { id } }, body: update }));
}

export function validateGraph(graph: Schemas["Graph"], signal?: AbortSignal) {
  return ask(api.POST("/api/v1/workflows/validate", { body: { graph }, signal }));
}
