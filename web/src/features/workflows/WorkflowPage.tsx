import { Page } from "../../shell/Page";

export default function WorkflowPage() {
  return <Page title="WorkflowPage">…</Page>;
}
