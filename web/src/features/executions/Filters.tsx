import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useCallback, useMemo, useRef, useState } from "react";
import { workflowOf, workflowsNamed } from "../../api/workflows";
import { executions } from "../../text/executions";
import { statuses } from "../../text/statuses";
import { Button } from "../../ui/Button";
import { Combobox } from "../../ui/Combobox";
import { SearchInput } from "../../ui/SearchInput";
import { Select } from "../../ui/Select";
import { StatusIcon } from "../../ui/StatusBadge";
import { type ExecutionSearch, MODES, SPANS, type Span, STATUS_GROUPS, type StatusGroup } from "./search";

const texts = executions.filters;
const ANY = "any";

const STATUSES = [
  { value: ANY, label: texts.anyStatus },
  ...(Object.keys(STATUS_GROUPS) as StatusGroup[]).map((group) => ({
    value: group,
    label: statuses.names[STATUS_GROUPS[group][0]],
    icon: <StatusIcon status={STATUS_GROUPS[group][0]} />,
  })),
];
const MODE_CHOICES = [
  { value: ANY, label: texts.anyMode },
  ...MODES.map((mode) => ({ value: mode, label: statuses.modes[mode] })),
];
const SPAN_CHOICES = [
  { value: ANY, label: texts.anyTime },
  ...(Object.keys(SPANS) as Span[]).map((span) => ({ value: span, label: texts.spans[span] })),
];

/** What of the executions is shown. The address has it, so that it can be shared. */
export function Filters({
  search,
  onChange,
}: {
  search: ExecutionSearch;
  onChange: (search: ExecutionSearch, replace?: boolean) => void;
}) {
  const [typed, setTyped] = useState("");
  const named = useQuery(workflowsNamed(typed));
  const chosen = useQuery({
    ...workflowOf(search.workflow ?? ""),
    enabled: search.workflow !== undefined,
    retry: false,
  });
  const choices = useMemo(() => {
    const found = (named.data?.data ?? []).map(({ id, name }) => ({ value: id, label: name }));
    const { workflow } = search;
    if (workflow === undefined || found.some((choice) => choice.value === workflow)) return found;
    return [{ value: workflow, label: chosen.data?.name ?? executions.unknownWorkflow }, ...found];
  }, [named.data, chosen.data, search]);
  const value = <T extends string>(wanted: string) => (wanted === ANY ? undefined : (wanted as T));
  const isFiltered = Object.values(search).some((one) => one !== undefined);
  // Each letter is no step of its own to go back.
  const latest = useRef({ search, onChange });
  latest.current = { search, onChange };
  const find = useCallback((text: string) => {
    const { search, onChange } = latest.current;
    onChange({ ...search, search: text.trim() || undefined }, true);
  }, []);
  return (
    <>
      <SearchInput label={texts.search} value={search.search ?? ""} onChange={find} />
      <Select
        label={texts.status}
        choices={STATUSES}
        value={search.status ?? ANY}
        onChange={(status) => onChange({ ...search, status: value(status) })}
      />
      <Combobox
        label={texts.workflow}
        placeholder={texts.anyWorkflow}
        choices={choices}
        value={search.workflow}
        onSearch={setTyped}
        onChange={(workflow) => onChange({ ...search, workflow })}
      />
      <Select
        label={texts.mode}
        choices={MODE_CHOICES}
        value={search.mode ?? ANY}
        onChange={(mode) => onChange({ ...search, mode: value(mode) })}
      />
      <Select
        label={texts.since}
        choices={SPAN_CHOICES}
        value={search.since ?? ANY}
        onChange={(since) => onChange({ ...search, since: value(since) })}
      />
      {isFiltered && (
        <Button kind="quiet" icon={<X size={14} aria-hidden />} onClick={() => onChange({})}>
          {texts.clear}
        </Button>
      )}
    </>
  );
}
