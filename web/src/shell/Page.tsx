import { type ReactNode, useEffect, useRef } from "react";
import { shell } from "../text/shell";
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
  useEffect(() => {
    document.title = `${title} · ${shell.product}`;
  }, [title]);
  useEffect(() => {
    // Not where the screen itself has put the focus, nor at the very first load.
    if (document.activeElement === document.body && history.length > 1)
      heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="page">
      <header className="page-bar">
        <div className="page-title">
          {path}
          <h1 ref={heading} tabIndex={-1} title={title}>
            {title}
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
