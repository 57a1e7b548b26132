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
  const rows = pages.pages.flatMap((page) => page.data);
  const first = rows[0]?.id ?? "";
  const fresh = newest.data.filter((row) => row.id > first);
  const isGap = fresh.length > 0 && fresh.length === newest.data.length && newest.next_cursor != null;
  if (isGap && (mayPrepend || rows.length === 0))
    return { pages: { pages: [newest], pageParams: [undefined] }, held: 0 };
  const updates = new Map(newest.data.map((row) => [row.id, row]));
  const prepended = mayPrepend ? fresh : [];
  const changed = pages.pages.map((page, at) => {
    const data = page.data.map((row) => changedRow(row, updates.get(row.id)));
    const isSame = data.every((row, index) => row === page.data[index]);
    if (at === 0 && prepended.length > 0) return { ...page, data: [...prepended, ...data] };
    return isSame ? page : { ...page, data };
  });
  const isSame = changed.every((page, at) => page === pages.pages[at]);
  return { pages: isSame ? pages : { ...pages, pages: changed }, held: fresh.length - prepended.length };
}

/** The same object where nothing has changed, so that nothing is drawn again. */
function changedRow(row: Row, update: Row | undefined): Row {
  const isSame =
    update === undefined || (update.status === row.status && update.duration_ms === row.duration_ms);
  return isSame ? row : update;
}
