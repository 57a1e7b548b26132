import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { me } from "../../api/account";
import { useStore } from "../../api/store";
import { Page } from "../../shell/Page";
import { chooseTheme, useTheme } from "../../shell/theme";
import { settings as texts } from "../../text/settings";
import { ErrorCard } from "../../ui/ErrorCard";
import { Segments } from "../../ui/Segments";
import { SkeletonRows } from "../../ui/Skeleton";
import { Switch } from "../../ui/Switch";
import { chooseSingleKeys, singleKeys } from "../../ui/singleKeys";
import { Fact } from "./Fact";
import { PasswordForm } from "./PasswordForm";
import { ProfileForm } from "./ProfileForm";
import { ServerFacts } from "./ServerFacts";
import { Sessions } from "./Sessions";
import "./SettingsPage.css";

const THEMES = [
  { value: "system", label: texts.themes.system },
  { value: "light", label: texts.themes.light },
  { value: "dark", label: texts.themes.dark },
] as const;

/** Who one is, how the application looks, and how the server is. */
export default function SettingsPage() {
  const who = useQuery(me);
  const theme = useTheme();
  const areKeysOn = useStore(singleKeys);
  const { user, workspace } = who.data ?? {};
  return (
    <Page title={texts.title}>
      <div className="settings">
        <Section title={texts.profile}>
          {who.isPending && <SkeletonRows count={3} />}
          {who.isError && who.data === undefined && (
            <ErrorCard error={who.error} onRetry={() => void who.refetch()} />
          )}
          {user !== undefined && (
            <div className="card">
              <ProfileForm key={`${user.id} ${user.email} ${user.name}`} user={user} />
              <dl>
                <Fact name={texts.role}>{texts.roles[user.role] ?? user.role}</Fact>
                {/* One that was never given a name would say its own kind. */}
                {workspace !== undefined && workspace.name !== texts.workspace && (
                  <Fact name={texts.workspace}>{workspace.name}</Fact>
                )}
              </dl>
            </div>
          )}
        </Section>
        {user !== undefined && (
          <Section title={texts.password.title}>
            <div className="card">
              <PasswordForm email={user.email} />
            </div>
          </Section>
        )}
        <Section title={texts.sessions.title}>
          <Sessions />
        </Section>
        <Section title={texts.appearance}>
          <dl className="card">
            <Fact name={texts.theme}>
              <Segments label={texts.theme} choices={THEMES} value={theme} onChange={chooseTheme} />
            </Fact>
            <Fact name={texts.single} hint={texts.singleHint}>
              <Switch label={texts.single} isOn={areKeysOn} onChange={chooseSingleKeys} />
            </Fact>
          </dl>
        </Section>
        <Section title={texts.server.title}>
          <ServerFacts />
        </Section>
      </div>
    </Page>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="settings-part" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}
