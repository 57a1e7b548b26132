import { type ReactNode, useEffect } from "react";
import { shell } from "../text/shell";
import { Mark } from "./Mark";
import "./DoorCard.css";

/** The frame of what comes before the shell: one card, in the middle. */
export function DoorCard({ title, children }: { title: string; children: ReactNode }) {
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
