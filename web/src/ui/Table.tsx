import {
  type CSSProperties,
  type Key,
  type KeyboardEvent,
  memo,
  type ReactNode,
  useCallback,
  useEffect,
  useRef,
} from "react";
import { kit } from "../text/kit";
import { Checkbox } from "./Checkbox";
import { enterRow, isInSight, moveByArrows, recallRow, rememberRow } from "./rows";
import { singleKeys } from "./singleKeys";
import "./Table.css";
import { useVirtualRows } from "./useVirtualRows";

export interface Column<Row> {
  name: string;
  title: string;
  /** Where the cells say enough, it is read aloud only. */
  isTitleUnseen?: boolean;
  /** As `grid-template-columns` has it. */
  width: string;
  align?: "end";
  /** On a telephone: `main` is the first line, `hidden` is left out. */
  narrow?: "main" | "hidden" | "end";
  cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => Key;
  nameOf: (row: Row) => string;
  /** How many there are, where more can be had than are here. */
  isMore?: boolean;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  selected?: ReadonlySet<Key>;
  onSelect?: (selected: ReadonlySet<Key>) => void;
}

/** Rows and columns. Only the rows in sight are drawn, so that there may be a hundred thousand. Arrow keys lead into the
 *  rows and from row to row, `X` and the space bar select one; on a telephone each row is a card. */
export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, keyOf, nameOf, isMore = false, onEnd, selected, onSelect } = props;
  const body = useRef<HTMLDivElement>(null);
  const { first, end, before, after } = useVirtualRows(body, rows.length, onEnd);
  const isSelectable = selected !== undefined && onSelect !== undefined;
  const template = [isSelectable ? "32px" : "", ...columns.map((column) => column.width)].join(" ");
  const all = selected?.size === 0 ? false : selected?.size === rows.length ? true : "some";
  const latest = useRef({ selected, onSelect, rows, keyOf });
  latest.current = { selected, onSelect, rows, keyOf };
  const isShift = useRef(false);
  /** The row from which a range reaches. */
  const anchor = useRef<Key>(undefined);
  const toggle = useCallback((key: Key, isOn: boolean) => {
    const { selected, onSelect, rows, keyOf } = latest.current;
    const next = new Set(selected);
    const at = (of: Key | undefined) => rows.findIndex((row) => keyOf(row) === of);
    const [from, to] = [isShift.current ? at(anchor.current) : -1, at(key)].sort((one, other) => one - other);
    const range = from === undefined || from < 0 ? [key] : rows.slice(from, (to ?? from) + 1).map(keyOf);
    for (const one of range) {
      if (isOn) next.add(one);
      else next.delete(one);
    }
    anchor.current = key;
    onSelect?.(next);
  }, []);
  const keyAt = (row: Element | null) => {
    const found = rows[Number(row?.getAttribute("aria-rowindex")) - 2];
    return found === undefined ? undefined : keyOf(found);
  };
  const press = (event: KeyboardEvent<HTMLElement>) => {
    isShift.current = false;
    const from = event.target as HTMLElement;
    const row = from.closest(".table-body-row");
    const key = keyAt(row);
    if (event.defaultPrevented || row === null || key === undefined) return;
    const next = moveByArrows(event);
    if (!isSelectable || event.ctrlKey || event.metaKey || event.altKey) return;
    const reached = event.shiftKey ? keyAt(next) : undefined;
    if (reached !== undefined) {
      anchor.current = reached;
      onSelect(new Set([...selected, key, reached]));
    } else if (
      (event.key === " " && from.matches(".row-link")) ||
      (event.key.toLowerCase() === "x" && singleKeys.get() && !from.matches("input"))
    ) {
      event.preventDefault();
      toggle(key, !selected.has(key));
    }
  };
  useEffect(() => {
    const enter = (event: globalThis.KeyboardEvent) => {
      if (body.current !== null && enterRow(event, body.current)) event.preventDefault();
    };
    document.addEventListener("keydown", enter);
    return () => document.removeEventListener("keydown", enter);
  }, []);
  // After a step back to the list: the row from which one went.
  const wanted = useRef(recallRow());
  useEffect(() => {
    if (wanted.current === undefined) return;
    const active = document.activeElement;
    const at = rows.findIndex((row) => keyOf(row) === wanted.current);
    const row = body.current?.querySelector(`[aria-rowindex="${at + 2}"]`);
    if (active !== document.body && !active?.matches("h1")) wanted.current = undefined;
    else if (row != null && isInSight(row)) {
      wanted.current = undefined;
      row.querySelector<HTMLElement>(".row-link")?.focus({ preventScroll: true });
    }
  });
  return (
    // Divs with roles: a table's own elements do not bear being laid out as a grid.
    // biome-ignore-start lint/a11y: the roles are those of a table
    <div
      role="table"
      className="table"
      aria-label={label}
      aria-rowcount={isMore ? -1 : rows.length + 1}
      style={{ "--columns": template } as CSSProperties}
      onKeyDown={press}
      onClickCapture={(event) => {
        // What the kit makes of a click on a box is a click without keys.
        if (event.isTrusted) isShift.current = event.shiftKey;
      }}
      onFocus={(event) => {
        const key = keyAt(event.target.closest(".table-body-row"));
        if (key !== undefined) rememberRow(key);
      }}
    >
      <div role="rowgroup" className="table-head">
        <div role="row" aria-rowindex={1} className="table-row">
          {isSelectable && (
            <div role="columnheader" className="table-check">
              <Checkbox
                label={kit.selectAll}
                isChecked={all ?? false}
                onChange={(isOn) => onSelect(new Set(isOn ? rows.map(keyOf) : []))}
              />
            </div>
          )}
          {columns.map((column) => (
            <div key={column.name} role="columnheader" className={column.align === "end" ? "align-end" : ""}>
              <span className={column.isTitleUnseen ? "unseen" : undefined}>{column.title}</span>
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={body}>
        {before > 0 && <div role="presentation" style={{ height: before }} />}
        {rows.slice(first, end).map((row, at) => {
          const key = keyOf(row);
          return (
            <BodyRow
              key={key}
              at={first + at}
              row={row}
              id={key}
              columns={columns as readonly Column<unknown>[]}
              isSelected={isSelectable ? (selected.has(key) ?? false) : undefined}
              name={isSelectable ? nameOf(row) : ""}
              onToggle={toggle}
            />
          );
        })}
        {after > 0 && <div role="presentation" style={{ height: after }} />}
      </div>
    </div>
    // biome-ignore-end lint/a11y: the roles are those of a table
  );
}

interface BodyRowProps {
  at: number;
  row: unknown;
  id: Key;
  columns: readonly Column<unknown>[];
  /** Missing where rows cannot be selected. */
  isSelected: boolean | undefined;
  name: string;
  onToggle: (key: Key, isOn: boolean) => void;
}

/** Drawn again only when something of it has changed, not with each step of scrolling. */
const BodyRow = memo(function BodyRow({ at, row, id, columns, isSelected, name, onToggle }: BodyRowProps) {
  return (
    // biome-ignore-start lint/a11y: as above
    <div
      role="row"
      aria-rowindex={at + 2}
      aria-selected={isSelected}
      className="table-row table-body-row"
      data-selected={isSelected || undefined}
    >
      {isSelected !== undefined && (
        <div role="cell" className="table-check">
          <Checkbox
            label={kit.selectRow(name)}
            isChecked={isSelected}
            onChange={(isOn) => onToggle(id, isOn)}
          />
        </div>
      )}
      {columns.map((column) => (
        <div
          key={column.name}
          role="cell"
          data-narrow={column.narrow}
          className={column.align === "end" ? "align-end" : ""}
        >
          {column.cell(row)}
        </div>
      ))}
    </div>
    // biome-ignore-end lint/a11y: as above
  );
});
