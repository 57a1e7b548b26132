import { Outlet } from "@tanstack/react-router";
import { Menu as MenuIcon, Search } from "lucide-react";
import { useEffect } from "react";
import { useStore } from "../api/store";
import { shell } from "../text/shell";
import { Button } from "../ui/Button";
import { lazyAgain } from "../ui/lazyAgain";
import { tell } from "../ui/toast";
import { announcement } from "./announce";
import { useKeptFocus } from "./keepFocus";
import { Mark } from "./Mark";
import { Navigation } from "./Navigation";
import { OfflineBar } from "./OfflineBar";
import { closeOverlay, openOverlay, overlay } from "./overlays";
import { PaletteSoon } from "./PaletteSoon";
import "./Shell.css";
import { useShortcuts } from "./useShortcuts";
import { whenIdle } from "./whenIdle";

const notLoaded = () => {
  closeOverlay();
  tell("error", shell.notLoaded, { description: shell.notLoadedHelp });
};
const Palette = lazyAgain(() => import("./Palette"), notLoaded);
const ShortcutSheet = lazyAgain(() => import("./ShortcutSheet"), notLoaded);
const NavigationDrawer = lazyAgain(() => import("./NavigationDrawer"), notLoaded);

/** The frame of every screen behind the log-in. */
export default function Shell() {
  useShortcuts();
  useKeptFocus();
  useEffect(
    () =>
      whenIdle(() => {
        Palette.load();
        ShortcutSheet.load();
        NavigationDrawer.load();
      }),
    [],
  );
  const open = useStore(overlay);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {shell.skip}
      </a>
      <header className="top">
        <Button
          kind="quiet"
          className="icon-button"
          icon={<MenuIcon size={18} aria-hidden />}
          aria-label={shell.openNavigation}
          onClick={() => openOverlay("navigation")}
        />
        <span className="brand">
          <Mark />
          {shell.product}
        </span>
        <Button
          kind="quiet"
          className="icon-button"
          icon={<Search size={18} aria-hidden />}
          aria-label={shell.palette.label}
          onClick={() => openOverlay("palette")}
        />
      </header>
      <aside className="side">
        <Navigation />
      </aside>
      <div className="screen">
        <OfflineBar />
        <main id="content" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <div role="status" className="unseen">
        {useStore(announcement)}
      </div>
      {open === "palette" && <Palette onClose={closeOverlay} meanwhile={<PaletteSoon />} />}
      {open === "shortcuts" && <ShortcutSheet onClose={closeOverlay} />}
      {open === "navigation" && <NavigationDrawer onClose={closeOverlay} />}
    </div>
  );
}
