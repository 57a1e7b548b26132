import { type ReactNode, useEffect } from "react";
import { Mark } from "../../shell/Mark";
import { shell } from "../../text/shell";
import "./Card.css";

/** The frame of what comes before the shell: one card, in the middle. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ${shell.product}`;
  }, [title]);
  return (
    <main className="door">
      <div className="door-card">
        <Mark size={36} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
