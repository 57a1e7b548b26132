import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { account } from "../text/account";
import { shell } from "../text/shell";
import { buttonClass } from "../ui/Button";
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

/** Where a link leads no further: why, and the way to the log-in. */
export function DeadEnd({ title, children }: { title: string; children: ReactNode }) {
  return (
    <DoorCard title={title}>
      <p>{children}</p>
      <div className="door-form">
        <Link to="/login" className={buttonClass("primary")}>
          {account.toLogIn}
        </Link>
      </div>
    </DoorCard>
  );
}
