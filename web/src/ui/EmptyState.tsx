import type { ReactNode } from "react";
import "./EmptyState.css";

/** What a list says that has nothing in it: one sentence, one main button, at most one link. */
export function EmptyState({
  icon,
  title,
  children,
  actions,
  isScreen = false,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  /** In place of a whole screen, whose name its title then is. */
  isScreen?: boolean;
}) {
  const Title = isScreen ? "h1" : "h2";
  return (
    <div className="empty">
      {icon !== undefined && <div className="empty-icon">{icon}</div>}
      <Title>{title}</Title>
      {children !== undefined && <p>{children}</p>}
      {actions !== undefined && <div className="empty-actions">{actions}</div>}
    </div>
  );
}
