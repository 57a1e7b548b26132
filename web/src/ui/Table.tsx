import { type CSSProperties, type Key, type KeyboardEvent, type ReactNode, useRef } from "react";
import { kit } from "../text/kit";
import { Checkbox } from "./Checkbox";
import "./Table.css";
import { useVirtualRows } from "./useVirtualRows";

export interface Column<Row> {
  name: string;
  title: string;
  /** Read aloud only. */
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
  const { items, before, after } = useVirtualRows(body, rows.length, onEnd);
  const isSelectable = selected !== undefined && onSelect !== undefined;
  const template = [isSelectable ? "32px" : "", ...columns.map((column) => column.width)].join(" ");
  const all = selected?.size === 0 ? false : selected?.size === rows.length ? true : "some";
  const toggle = (key: Key, isOn: boolean) => {
    const next = new Set(selected);
    if (isOn) next.add(key);
    else next.delete(key);
    onSelect?.(next);
  };
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
              <span className={column.isTitleUnseen ? "unseen" : ""}>{column.title}</span>
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={body}>
        {before > 0 && <div role="presentation" style={{ height: before }} />}
        {items.map((at) => {
          const row = rows[at];
          if (row === undefined) return null;
          const key = keyOf(row);
          const isSelected = selected?.has(key) ?? false;
          return (
            <div
              key={key}
              role="row"
              aria-rowindex={at + 2}
              aria-selected={isSelectable ? isSelected : undefined}
              className="table-row table-body-row"
              data-selected={isSelected || undefined}
            >
              {isSelectable && (
                <div role="cell" className="table-check">
                  <Checkbox
                    label={kit.selectRow(nameOf(row))}
                    isChecked={isSelected}
                    onChange={(isOn) => toggle(key, isOn)}
                  />
                </div>
              )}
              {columns.map((column) => (
                <div
                  key={column.name}
                  role="cell"
                  data-column={column.name}
                  data-narrow={column.narrow}
                  className={column.align === "end" ? "align-end" : ""}
                >
                  {column.cell(row)}
                </div>
              ))}
            </div>
          );
        })}
        {after > 0 && <div role="presentation" style={{ height: after }} />}
      </div>
    </div>
    // biome-ignore-end lint/a11y: the roles are those of a table
  );
}

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
