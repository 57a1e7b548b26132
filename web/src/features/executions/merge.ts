import type { InfiniteData } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";

type Row = Schemas["ExecutionSummary"];
export type Pages = InfiniteData<Schemas["Page_ExecutionSummary"], string | undefined>;

/** What the newest rows bring to the pages that are there. Ids grow with time. */
export function merge(
  pages: Pages,
  newest: Schemas["Page_ExecutionSummary"],
  mayPrepend: boolean,
): { pages: Pages; held: number } {
  const known = new Set(pages.pages.flatMap((page) => page.data.map((row) => row.id)));
  const fresh = newest.data.filter((row) => !known.has(row.id));
  const isGap = fresh.length > 0 && fresh.length === newest.data.length && newest.next_cursor != null;
  if (isGap && (mayPrepend || known.size === 0))
    return { pages: { pages: [newest], pageParams: [undefined] }, held: 0 };
  const updates = new Map(newest.data.map((row) => [row.id, row]));
  const top = newest.data[0]?.id ?? "";
  const bottom = newest.next_cursor == null ? "" : (newest.data.at(-1)?.id ?? "");
  // Whoever reads further down must not have rows taken away below the eyes.
  const isGone = (row: Row) => mayPrepend && row.id <= top && row.id >= bottom && !updates.has(row.id);
  const prepended = mayPrepend ? fresh : [];
  const changed = pages.pages.map((page, at) => {
    const data = page.data.filter((row) => !isGone(row)).map((row) => changedRow(row, updates.get(row.id)));
    if (at === 0 && prepended.length > 0) return { ...page, data: [...prepended, ...data].sort(byId) };
    return isSame(data, page.data) ? page : { ...page, data };
  });
  return { pages: together(pages, changed), held: fresh.length - prepended.length };
}

/** How rows that are there have changed, as events tell. */
export function update(pages: Pages, updates: ReadonlyMap<string, Row>): Pages {
  const changed = pages.pages.map((page) => {
    const data = page.data.map((row) => changedRow(row, updates.get(row.id)));
    return isSame(data, page.data) ? page : { ...page, data };
  });
  return together(pages, changed);
}

function together(pages: Pages, changed: Pages["pages"]): Pages {
  return changed.every((page, at) => page === pages.pages[at]) ? pages : { ...pages, pages: changed };
}

function isSame(rows: readonly Row[], before: readonly Row[]): boolean {
  return rows.length === before.length && rows.every((row, at) => row === before[at]);
}

function byId(one: Row, other: Row): number {
  return one.id < other.id ? 1 : -1;
}

/** The same object where nothing has changed, so that nothing is drawn again. */
function changedRow(row: Row, update: Row | undefined): Row {
  const isSame =
    update === undefined || (update.status === row.status && update.duration_ms === row.duration_ms);
  return isSame ? row : update;
}
