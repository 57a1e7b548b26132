import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import type { Schemas } from "../../api/client";
import { connectorList } from "../../api/connectors";
import { Page } from "../../shell/Page";
import { connectors as texts } from "../../text/connectors";
import { buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { ErrorCard } from "../../ui/ErrorCard";
import { JsonView } from "../../ui/JsonView";
import { Prose, Words } from "../../ui/Prose";
import { SkeletonRows } from "../../ui/Skeleton";
import { familyOf, Tile } from "../../ui/Tile";
import { Parameters } from "./Parameters";
import "./Connectors.css";

const route = getRouteApi("/shell/connectors/$type");

/** What one type of node does, what it takes, and an example. */
export default function ConnectorPage() {
  const { type } = route.useParams();
  const list = useQuery(connectorList);
  const connector = list.data?.data.find((one) => one.type === type);
  const back = (
    <>
      <Link to="/connectors" className="page-path">
        {texts.title}
      </Link>
      <span className="page-path" aria-hidden>
        /
      </span>
    </>
  );
  if (connector !== undefined) return <Found connector={connector} back={back} />;
  return (
    <Page title={type} path={back}>
      {list.isPending && <SkeletonRows />}
      {list.isError && <ErrorCard error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && (
        <EmptyState
          icon={<SearchX size={20} aria-hidden />}
          title={texts.notFound}
          actions={
            <Link to="/connectors" className={buttonClass()}>
              {texts.clear}
            </Link>
          }
        />
      )}
    </Page>
  );
}

function Found({ connector, back }: { connector: Schemas["Connector"]; back: React.ReactNode }) {
  const { example } = connector;
  return (
    <Page title={connector.title} path={back} state={<code className="faint">{connector.type}</code>}>
      <div className="connector">
        <div className="connector-head">
          <Tile svg={connector.icon} family={familyOf(connector.type)} size={44} />
          <div>
            <p>{connector.summary}</p>
            <p className="faint">{texts.roles[connector.role] ?? connector.role}</p>
          </div>
        </div>
        <Prose text={connector.documentation} />
        <section>
          <h2>{texts.parameters}</h2>
          <Parameters schema={connector.parameters} />
        </section>
        {connector.ports.length > 0 && (
          <section>
            <h2>{texts.ports}</h2>
            <dl className="ports">
              {connector.ports.map((port) => (
                <div key={port.name}>
                  <dt>
                    <code className="code">{port.name}</code>
                  </dt>
                  <dd>
                    <Words text={port.description} />
                  </dd>
                </div>
              ))}
            </dl>
            {connector.dynamic_ports && <p className="faint">{texts.morePorts}</p>}
          </section>
        )}
        <section>
          <h2>{texts.example}</h2>
          <div className="connector-example">
            <Part label={texts.node} value={example.node} />
            {example.inside !== undefined && example.inside.length > 0 && (
              <Part label={texts.inside} value={example.inside} />
            )}
            <Part label={texts.context} value={example.context} />
            {example.output !== undefined && <Part label={texts.output} value={example.output} />}
          </div>
        </section>
      </div>
    </Page>
  );
}

function Part({ label, value }: { label: string; value: unknown }) {
  return (
    <div>
      <h3>{label}</h3>
      <JsonView label={label} value={value} />
    </div>
  );
}
