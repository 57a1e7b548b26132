import { Link } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { shell } from "../text/shell";
import { buttonClass } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";

export default function NotFound() {
  const { title, text, home } = shell.notFound;
  return (
    <EmptyState
      icon={<Compass size={20} aria-hidden />}
      isScreen
      title={title}
      actions={
        <Link to="/workflows" className={buttonClass()}>
          {home}
        </Link>
      }
    >
      {text}
    </EmptyState>
  );
}
