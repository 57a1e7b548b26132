import { Page } from "../../shell/Page";

export default function ExecutionPage() {
  return <Page title="ExecutionPage">…</Page>;
}
