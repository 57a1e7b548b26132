"""A day in the life of a client: makes a workflow, calls its webhook, reads the execution and is refused. Every call
goes through the generated types, so a description that does not say what the server does fails here."""

import os
import time
from http import HTTPStatus

import httpx
from flowmatic_client import AuthenticatedClient
from flowmatic_client.api.executions import get_execution, list_executions
from flowmatic_client.api.workflows import create_workflow, delete_workflow, get_workflow
from flowmatic_client.models import (
    Edge,
    ErrorBody,
    Execution,
    ExecutionStatus,
    Graph,
    Node,
    NodeParametersType0,
    PageExecutionSummary,
    Workflow,
    WorkflowCreate,
)

PATIENCE = 30


def node(key: str, kind: str, **parameters: object) -> Node:
    return Node(key=key, type_=kind, parameters=NodeParametersType0.from_dict(parameters))


def main() -> None:
    url = os.environ["FLOWMATIC_URL"]
    api = AuthenticatedClient(url, os.environ["FLOWMATIC_KEY"], raise_on_unexpected_status=True)

    graph = Graph(
        nodes=[
            node("hook", "trigger.webhook"),
            node("reply", "flow.response", status=201, body={"total": "{{data.amount}}"}),
        ],
        edges=[Edge(from_="hook", to="reply")],
    )
    workflow = create_workflow.sync(
        client=api, body=WorkflowCreate(name="Client check", active=True, graph=graph)
    )
    assert isinstance(workflow, Workflow), workflow
    assert workflow.active and workflow.graph.nodes[1].key == "reply", workflow

    [hook] = workflow.triggers
    answer = httpx.post(str(hook.url), json={"data": {"amount": 99.5}})
    assert (answer.status_code, answer.json()) == (201, {"total": 99.5}), answer.text

    listed = list_executions.sync(client=api, workflow_id=workflow.id)
    assert isinstance(listed, PageExecutionSummary), listed
    [summary] = listed.data
    assert listed.next_cursor is None, listed

    # The answer may come before the finish.
    end = time.monotonic() + PATIENCE
    while True:
        execution = get_execution.sync(summary.id, client=api)
        assert isinstance(execution, Execution), execution
        if execution.status == ExecutionStatus.COMPLETED:
            break
        assert time.monotonic() < end, execution
        time.sleep(0.01)
    assert [step.node for step in execution.steps] == ["reply"], execution
    assert execution.input_ == {"data": {"amount": 99.5}}, execution
    assert execution.started_at.tzinfo is not None, execution

    # A graph with mistakes: what is wrong, and where, comes as a value.
    graph.nodes[1].type_ = "flow.teleport"
    mistaken = WorkflowCreate(name="Client check", active=True, graph=graph)
    refused = create_workflow.sync(client=api, body=mistaken)
    assert isinstance(refused, ErrorBody), refused
    assert refused.error.code == "INVALID_GRAPH", refused
    assert [problem.pointer for problem in refused.error.details or []] == ["/graph/nodes/1/type"], refused

    stranger = AuthenticatedClient(url, "fm_nobody")
    unknown = get_workflow.sync_detailed(workflow.id, client=stranger)
    assert unknown.status_code == HTTPStatus.UNAUTHORIZED, unknown
    assert isinstance(unknown.parsed, ErrorBody) and not unknown.parsed.success, unknown

    # What comes next calls what it finds.
    deleted = delete_workflow.sync_detailed(workflow.id, client=api)
    assert deleted.status_code == HTTPStatus.OK, deleted


main()
print("the generated client and the server agree")
