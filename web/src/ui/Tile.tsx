import type { CSSProperties } from "react";
import "./Tile.css";

export type Family = "trigger" | "action" | "logic" | "data" | "ai" | "person";

/** The mark of a kind of node: its drawing in its family's colour. */
export function Tile({ svg, family, size = 28 }: { svg: string; family: Family; size?: number }) {
  const style = {
    "--tile": `${size}px`,
    "--drawing": `url("data:image/svg+xml,${encodeURIComponent(svg)}")`,
    "--family": `var(--family-${family})`,
  } as CSSProperties;
  return <span className="tile" aria-hidden style={style} />;
}

const FAMILIES: Record<string, Family> = {
  trigger: "trigger",
  flow: "logic",
  data: "data",
  sql: "data",
  ai: "ai",
};

/** Of a type such as `flow.if`. */
export function familyOf(type: string): Family {
  return FAMILIES[type.split(".")[0] ?? ""] ?? "action";
}
