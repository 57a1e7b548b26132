import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BookOpen, Keyboard, LogOut, Monitor, Moon, Search, Sun } from "lucide-react";
import { me } from "../api/account";
import { useSession } from "../api/session";
import { useStore } from "../api/store";
import { shell } from "../text/shell";
import { Keys } from "../ui/Keys";
import { singleKeys } from "../ui/singleKeys";
import { leave } from "./leave";
import { Mark } from "./Mark";
import { openOverlay } from "./overlays";
import { places } from "./places";
import { chooseTheme, type Theme, useTheme } from "./theme";
import "./Navigation.css";

const THEMES: readonly Theme[] = ["system", "light", "dark"];
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon };

/** Where one can go, and who one is. */
export function Navigation({ onGone }: { onGone?: () => void }) {
  const { email } = useSession();
  const name = useQuery(me).data?.user?.name ?? email;
  const theme = useTheme();
  const hasKeys = useStore(singleKeys);
  const ThemeIcon = THEME_ICONS[theme];
  return (
    <div className="nav">
      <Link to="/workflows" className="brand" onClick={onGone}>
        <Mark />
        {shell.product}
      </Link>
      <button type="button" className="nav-search" onClick={() => openOverlay("palette")}>
        <Search size={16} aria-hidden />
        <span>{shell.search}</span>
        <Keys keys="Ctrl+K" />
      </button>
      <nav aria-label={shell.navigation} className="nav-places">
        {places.map(({ to, label, icon: Icon, key, isAside }) => (
          <Link
            key={to}
            to={to}
            className="nav-link"
            data-aside={isAside}
            activeProps={{ "aria-current": "page" }}
            onClick={onGone}
          >
            <Icon size={18} aria-hidden />
            {label}
            {hasKeys && (
              <span className="nav-keys" aria-hidden>
                <Keys keys={`G ${key}`} />
              </span>
            )}
          </Link>
        ))}
      </nav>
      <div className="nav-foot">
        <a className="nav-link" href="/docs">
          <BookOpen size={18} aria-hidden />
          {shell.reference}
        </a>
        <button type="button" className="nav-link" onClick={() => openOverlay("shortcuts")}>
          <Keyboard size={18} aria-hidden />
          {shell.shortcuts}
          <Keys keys="?" />
        </button>
        <button
          type="button"
          className="nav-link"
          onClick={() => chooseTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system")}
        >
          <ThemeIcon size={18} aria-hidden />
          <span aria-live="polite">{shell.themes[theme]}</span>
        </button>
        <div className="nav-account">
          <span className="nav-avatar" aria-hidden>
            {name?.charAt(0).toUpperCase()}
          </span>
          <span className="cut" title={email}>
            {name}
          </span>
          <button
            type="button"
            className="button button-quiet button-dense icon-button"
            aria-label={shell.logOut}
            title={shell.logOut}
            onClick={() => leave()}
          >
            <LogOut size={16} aria-hidden />
          </button>
        </div>
      </div>
    </div>
  );
}
