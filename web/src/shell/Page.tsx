import { type ReactNode, useEffect, useRef } from "react";
import { shell } from "../text/shell";
import { shown } from "../text/shown";
import { announce } from "./announce";
import "./Page.css";

interface PageProps {
  title: string;
  /** Before the title: where it belongs. */
  path?: ReactNode;
  /** After the title: its state. */
  state?: ReactNode;
  actions?: ReactNode;
  /** Below the title: search, filters. */
  toolbar?: ReactNode;
  children: ReactNode;
}

/** A screen: its name, what can be done, and its content. A reader of screens begins at the name. */
export function Page({ title, path, state, actions, toolbar, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const titleAtFirst = useRef(title);
  useEffect(() => {
    document.title = `${shown(title)} · ${shell.product}`;
  }, [title]);
  useEffect(() => {
    // Not at the very first load: the browser says the name itself.
    if (history.length <= 1) return;
    const focused = document.activeElement;
    if (focused === document.body) heading.current?.focus({ preventScroll: true });
    // The focus stays in the navigation, for whoever goes on from there; where the screen has taken it, that is enough.
    else if (focused?.closest(".nav") !== null) announce(titleAtFirst.current);
  }, []);
  return (
    <div className="page">
      <header className="page-bar">
        <div className="page-title">
          {path}
          <h1 ref={heading} tabIndex={-1} title={shown(title)}>
            {shown(title)}
          </h1>
          {state}
        </div>
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </header>
      {toolbar !== undefined && <div className="toolbar">{toolbar}</div>}
      {children}
    </div>
  );
}
