import {
  type CSSProperties,
  type Key,
  type KeyboardEvent,
  memo,
  type ReactNode,
  useCallback,
  useRef,
} from "react";
import { kit } from "../text/kit";
import { Checkbox } from "./Checkbox";
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

/** Rows and columns. Only the rows in sight are drawn, so that there may be a hundred thousand. Arrow keys go from row
 *  to row; on a telephone each row is a card. */
export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, keyOf, nameOf, isMore = false, onEnd, selected, onSelect } = props;
  const body = useRef<HTMLDivElement>(null);
  const { first, end, before, after } = useVirtualRows(body, rows.length, onEnd);
  const isSelectable = selected !== undefined && onSelect !== undefined;
  const template = [isSelectable ? "32px" : "", ...columns.map((column) => column.width)].join(" ");
  const all = selected?.size === 0 ? false : selected?.size === rows.length ? true : "some";
  const latest = useRef({ selected, onSelect });
  latest.current = { selected, onSelect };
  const toggle = useCallback((key: Key, isOn: boolean) => {
    const next = new Set(latest.current.selected);
    if (isOn) next.add(key);
    else next.delete(key);
    latest.current.onSelect?.(next);
  }, []);
  return (
    // Divs with roles: a table's own elements do not bear being laid out as a grid.
    // biome-ignore-start lint/a11y: the roles are those of a table
    <div
      role="table"
      className="table"
      aria-label={label}
      aria-rowcount={isMore ? -1 : rows.length + 1}
      style={{ "--columns": template } as CSSProperties}
      onKeyDown={moveByArrows}
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

/** To the same control of the row above or below. */
function moveByArrows(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const from = event.target as HTMLElement;
  if (step === undefined || event.defaultPrevented || from.closest("[role=menu],[role=listbox]")) return;
  const row = from.closest(".table-body-row");
  const next = step === 1 ? row?.nextElementSibling : row?.previousElementSibling;
  if (!row || !next?.matches(".table-body-row")) return;
  const controls = (of: Element) => [
    ...of.querySelectorAll<HTMLElement>("a, button, [role=checkbox], [role=switch]"),
  ];
  const at = controls(row).indexOf(from);
  const to = controls(next);
  const target = to[Math.min(Math.max(at, 0), to.length - 1)];
  if (target === undefined) return;
  event.preventDefault();
  target.focus();
  target.scrollIntoView({ block: "nearest" });
}
