import { ChevronRight, Download } from "lucide-react";
import { useMemo, useState } from "react";
import { kit } from "../text/kit";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import "./JsonView.css";

/** Entries of an object or a list shown at a time. */
const PAGE = 100;
/** Characters of a text shown at first, and the most that one asks for at a time. */
const SHORT = 400;
const LONG = 100_000;
/** Beyond so many values only the first level is open. */
const SMALL = 200;

/** Any JSON, to read. However large it is, only what is open is drawn. */
export function JsonView({ label, value, fileName }: { label: string; value: unknown; fileName?: string }) {
  const isSmall = useMemo(() => countValues(value, SMALL) < SMALL, [value]);
  const text = () => JSON.stringify(value, null, 2) ?? "";
  return (
    <div className="json">
      <div className="json-tools">
        <CopyButton text={text} />
        {fileName !== undefined && (
          <Button
            kind="quiet"
            size="dense"
            icon={<Download size={14} aria-hidden />}
            onClick={() => save(fileName, text())}
          >
            {kit.download}
          </Button>
        )}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className="json-body" tabIndex={0} aria-label={label}>
        <Value value={value} depth={0} isSmall={isSmall} />
      </section>
    </div>
  );
}

/** Lets the browser keep a text as a file. */
export function save(fileName: string, text: string, type = "application/json"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(url);
}

interface ValueProps {
  name?: string;
  value: unknown;
  depth: number;
  isSmall: boolean;
}

function Value({ name, value, depth, isSmall }: ValueProps) {
  if (typeof value === "object" && value !== null) {
    return <Nested name={name} value={value} depth={depth} isSmall={isSmall} />;
  }
  return (
    <div className="json-line">
      <Name name={name} />
      {typeof value === "string" ? (
        <Text text={value} />
      ) : (
        <span className={`json-${value === null ? "null" : typeof value}`}>{String(value)}</span>
      )}
    </div>
  );
}

function Nested({ name, value, depth, isSmall }: ValueProps & { value: object }) {
  const isList = Array.isArray(value);
  const size = isList ? value.length : Object.keys(value).length;
  const [isOpen, setIsOpen] = useState(depth === 0 || (isSmall && depth < 4));
  const [shown, setShown] = useState(PAGE);
  if (size === 0) {
    return (
      <div className="json-line">
        <Name name={name} />
        <span className="json-mark" title={isList ? kit.emptyList : kit.emptyObject}>
          {isList ? "[]" : "{}"}
        </span>
      </div>
    );
  }
  const entries = isOpen ? firstEntries(value, shown) : [];
  return (
    <div>
      <button
        type="button"
        className="json-line json-toggle"
        aria-expanded={isOpen}
        onClick={() => setIsOpen(!isOpen)}
      >
        <ChevronRight size={14} aria-hidden className="json-arrow" />
        <Name name={name} />
        <span className="json-mark">{isList ? kit.items(size) : kit.fields(size)}</span>
      </button>
      {isOpen && (
        <div className="json-inside">
          {entries.map(([key, inner]) => (
            <Value key={key} name={key} value={inner} depth={depth + 1} isSmall={isSmall} />
          ))}
          {size > shown && (
            <Button kind="quiet" size="dense" onClick={() => setShown(shown + PAGE)}>
              {kit.showMore(Math.min(PAGE, size - shown))}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function Name({ name }: { name: string | undefined }) {
  if (name === undefined) return null;
  return <span className="json-name">{name.length > SHORT ? `${name.slice(0, SHORT)}…` : name}</span>;
}

function Text({ text }: { text: string }) {
  const [isWhole, setIsWhole] = useState(false);
  const most = isWhole ? LONG : SHORT;
  return (
    <span className="json-string">
      {text.length > most ? `${text.slice(0, most)}…` : text === "" ? '""' : text}
      {text.length > SHORT && !isWhole && (
        <Button kind="quiet" size="dense" onClick={() => setIsWhole(true)}>
          {kit.showAll(Math.min(text.length, LONG))}
        </Button>
      )}
    </span>
  );
}

/** Without making a list of all of them, which may be many. */
function firstEntries(of: object, most: number): [string, unknown][] {
  if (Array.isArray(of)) return of.slice(0, most).map((inner, at) => [String(at), inner]);
  const found: [string, unknown][] = [];
  for (const key in of) {
    if (found.length === most) break;
    found.push([key, (of as Record<string, unknown>)[key]]);
  }
  return found;
}

/** How many values there are, counted no further than `most`. */
function countValues(value: unknown, most: number): number {
  const left: unknown[] = [value];
  let count = 0;
  while (left.length > 0 && count < most) {
    const next = left.pop();
    count += typeof next === "string" ? 1 + next.length / SHORT : 1;
    if (typeof next === "object" && next !== null)
      left.push(...firstEntries(next, most).map(([, inner]) => inner));
  }
  return count;
}
