import { Outlet } from "@tanstack/react-router";
import { Menu as MenuIcon, Search } from "lucide-react";
import { lazy, Suspense } from "react";
import { patiently } from "../api/connection";
import { useStore } from "../api/store";
import { shell } from "../text/shell";
import { Button } from "../ui/Button";
import { announcement } from "./announce";
import { Mark } from "./Mark";
import { Navigation } from "./Navigation";
import { OfflineBar } from "./OfflineBar";
import { closeOverlay, openOverlay, overlay } from "./overlays";
import "./Shell.css";
import { useShortcuts } from "./useShortcuts";

const Palette = lazy(() => patiently(() => import("./Palette")));
const ShortcutSheet = lazy(() => patiently(() => import("./ShortcutSheet")));
const NavigationDrawer = lazy(() => patiently(() => import("./NavigationDrawer")));

/** The frame of every screen behind the log-in. */
export default function Shell() {
  useShortcuts();
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
      <Suspense>
        {open === "palette" && <Palette onClose={closeOverlay} />}
        {open === "shortcuts" && <ShortcutSheet onClose={closeOverlay} />}
        {open === "navigation" && <NavigationDrawer onClose={closeOverlay} />}
      </Suspense>
    </div>
  );
}
