import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Blocks } from "lucide-react";
import { useCallback } from "react";
import type { Schemas } from "../../api/client";
import { connectorList } from "../../api/connectors";
import { Page } from "../../shell/Page";
import { connectors as texts } from "../../text/connectors";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { SearchInput } from "../../ui/SearchInput";
import { SkeletonRows } from "../../ui/Skeleton";
import { familyOf, Tile } from "../../ui/Tile";
import "./Connectors.css";

const route = getRouteApi("/shell/connectors");

/** The catalogue: what can be put into a workflow. */
export default function ConnectorsPage() {
  const { search = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useQuery(connectorList);
  const find = useCallback(
    (text: string) => void navigate({ search: { search: text.trim() || undefined }, replace: true }),
    [navigate],
  );
  const all = list.data?.data ?? [];
  const found = all.filter((one) => fits(one, search));
  const groups = [...new Set(found.map((one) => one.group))];
  return (
    <Page
      title={texts.title}
      toolbar={
        <>
          <SearchInput label={texts.search} value={search} onChange={find} />
          {list.isSuccess && <span className="toolbar-end">{texts.total(found.length)}</span>}
        </>
      }
    >
      {list.isPending && <SkeletonRows />}
      {list.isError && list.data === undefined && (
        <ErrorCard error={list.error} onRetry={() => void list.refetch()} />
      )}
      {groups.map((group) => (
        <section key={group} className="connector-group">
          <h2>{texts.groups[group] ?? group}</h2>
          <ul>
            {found
              .filter((one) => one.group === group)
              .map((one) => (
                <li key={one.type} className="connector-card">
                  <Tile svg={one.icon} family={familyOf(one.type)} size={36} />
                  <div>
                    <Link to="/connectors/$type" params={{ type: one.type }} className="row-link">
                      {one.title}
                    </Link>
                    <p>{one.summary}</p>
                  </div>
                </li>
              ))}
          </ul>
        </section>
      ))}
      {list.isSuccess && found.length === 0 && (
        <EmptyState
          icon={<Blocks size={20} aria-hidden />}
          title={texts.none}
          actions={<Button onClick={() => find("")}>{texts.clear}</Button>}
        >
          {texts.noneText}
        </EmptyState>
      )}
    </Page>
  );
}

function fits(connector: Schemas["Connector"], search: string): boolean {
  const words = `${connector.title} ${connector.type} ${connector.summary}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}
