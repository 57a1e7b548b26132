import { useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleX } from "lucide-react";
import type { ReactNode } from "react";
import { me } from "../../api/account";
import { readiness, serverVersion } from "../../api/server";
import { useStore } from "../../api/store";
import { Page } from "../../shell/Page";
import { chooseTheme, useTheme } from "../../shell/theme";
import { chooseSingleKeys, singleKeys } from "../../shell/useShortcuts";
import { settings as texts } from "../../text/settings";
import { ErrorCard } from "../../ui/ErrorCard";
import { Segments } from "../../ui/Segments";
import { Switch } from "../../ui/Switch";
import "./SettingsPage.css";

const THEMES = [
  { value: "system", label: texts.themes.system },
  { value: "light", label: texts.themes.light },
  { value: "dark", label: texts.themes.dark },
] as const;

/** Who one is, how the application looks, and how the server is. */
export default function SettingsPage() {
  const who = useQuery(me);
  const ready = useQuery(readiness);
  const version = useQuery(serverVersion);
  const theme = useTheme();
  const areKeysOn = useStore(singleKeys);
  const { user, workspace } = who.data ?? {};
  return (
    <Page title={texts.title}>
      <div className="settings">
        {who.isError && who.data === undefined && (
          <ErrorCard error={who.error} onRetry={() => void who.refetch()} />
        )}
        <Section title={texts.profile}>
          <Fact name={texts.email}>{user?.email}</Fact>
          <Fact name={texts.role}>{user && (texts.roles[user.role] ?? user.role)}</Fact>
          <Fact name={texts.workspace}>{workspace?.name}</Fact>
        </Section>
        <Section title={texts.appearance}>
          <Fact name={texts.theme}>
            <Segments label={texts.theme} choices={THEMES} value={theme} onChange={chooseTheme} />
          </Fact>
          <Fact name={texts.single} hint={texts.singleHint}>
            <Switch label={texts.single} isOn={areKeysOn} onChange={chooseSingleKeys} />
          </Fact>
        </Section>
        <Section title={texts.server}>
          <Fact name={texts.version}>{version.data}</Fact>
          <Fact name={texts.address}>
            <code>{location.origin}</code>
          </Fact>
          <Fact name={texts.health}>
            {ready.isSuccess && (
              <span className="health tone-ok">
                <CircleCheck size={16} aria-hidden /> {texts.healthy}
              </span>
            )}
            {ready.isError && (
              <span className="health tone-error">
                <CircleX size={16} aria-hidden /> {texts.notReady}
              </span>
            )}
          </Fact>
          <Fact name={texts.reference}>
            <a href="/docs">{texts.readReference}</a>
          </Fact>
        </Section>
      </div>
    </Page>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="settings-part">
      <h2>{title}</h2>
      <dl className="card">{children}</dl>
    </section>
  );
}

function Fact({ name, hint, children }: { name: string; hint?: string; children: ReactNode }) {
  return (
    <div>
      <dt>
        {name}
        {hint !== undefined && <p className="faint">{hint}</p>}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
