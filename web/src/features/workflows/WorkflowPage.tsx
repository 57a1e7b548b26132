import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { me } from "../../api/account";
import { asFailure } from "../../api/failure";
import { useSession } from "../../api/session";
import { workflowOf } from "../../api/workflows";
import { Page } from "../../shell/Page";
import { workflow as texts } from "../../text/workflow";
import { buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";
import { WorkflowEditor } from "./WorkflowEditor";

const route = getRouteApi("/shell/workflows/$id");

/** One workflow, as JSON, with its mistakes and its triggers. */
export default function WorkflowPage() {
  const { id } = route.useParams();
  // What is being edited must not change by itself: a newer draft is told of when this one is saved.
  const found = useQuery({ ...workflowOf(id), staleTime: 0, refetchOnWindowFocus: false });
  // Whose unsaved text it is, which is kept apart for each person.
  const { user } = useSession();
  const who = useQuery(me);
  const back = (
    <>
      <Link to="/workflows" className="page-path">
        {texts.back}
      </Link>
      <span className="page-path" aria-hidden>
        /
      </span>
    </>
  );
  if (found.data !== undefined && user !== undefined)
    return <WorkflowEditor key={`${user} ${id}`} workflow={found.data} user={user} path={back} />;
  const isNotFound = found.isError && asFailure(found.error).isNotFound;
  return (
    <Page title={texts.back}>
      {(found.isPending || (found.isSuccess && who.isPending)) && <SkeletonRows />}
      {found.isSuccess && who.isError && <ErrorCard error={who.error} onRetry={() => void who.refetch()} />}
      {found.isError && !isNotFound && <ErrorCard error={found.error} onRetry={() => void found.refetch()} />}
      {isNotFound && (
        <EmptyState
          icon={<SearchX size={20} aria-hidden />}
          title={texts.notFound}
          actions={
            <>
              <Link to="/workflows" className={buttonClass()}>
                {texts.back}
              </Link>
              <Link to="/workflows" search={{ status: "deleted" }} className={buttonClass("quiet")}>
                {texts.lookInDeleted}
              </Link>
            </>
          }
        >
          {texts.notFoundText}
        </EmptyState>
      )}
    </Page>
  );
}
