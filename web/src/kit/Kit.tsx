import { Bell, Copy, Play, Plus, Trash2, Workflow } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Failure } from "../api/failure";
import { Button } from "../ui/Button";
import { Checkbox } from "../ui/Checkbox";
import { Chip } from "../ui/Chip";
import { CodeBlock } from "../ui/CodeBlock";
import { Combobox } from "../ui/Combobox";
import { CommandPalette } from "../ui/CommandPalette";
import { CopyField } from "../ui/CopyField";
import { Dialog, DialogActions } from "../ui/Dialog";
import { EmptyState } from "../ui/EmptyState";
import { ErrorCard, FormError } from "../ui/ErrorCard";
import { Field } from "../ui/Field";
import { IconButton } from "../ui/IconButton";
import { Input } from "../ui/Input";
import { JsonView } from "../ui/JsonView";
import { Keys } from "../ui/Keys";
import { Menu } from "../ui/Menu";
import { PasswordInput } from "../ui/PasswordInput";
import { RelativeTime } from "../ui/RelativeTime";
import { SearchInput } from "../ui/SearchInput";
import { Segments } from "../ui/Segments";
import { Select } from "../ui/Select";
import { SkeletonRows } from "../ui/Skeleton";
import { type Status, StatusBadge } from "../ui/StatusBadge";
import { Switch } from "../ui/Switch";
import { Table } from "../ui/Table";
import { Tabs } from "../ui/Tabs";
import { TextArea } from "../ui/TextArea";
import { type Family, Tile } from "../ui/Tile";
import Toasts from "../ui/Toasts";
import { tell } from "../ui/toast";
import "./Kit.css";

const COLOURS = [
  { value: "red", label: "Red" },
  { value: "green", label: "Green" },
  { value: "blue", label: "Blue" },
];
const STATUSES: Status[] = [
  "QUEUED",
  "RUNNING",
  "WAITING",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
  "skipped",
];
const FAMILIES: Family[] = ["trigger", "action", "logic", "data", "ai", "person"];
const BOLT =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M13 2 4 14h6l-1 8 9-12h-6z" fill="#000"/></svg>';
const ROWS = ["Order intake", "Nightly report", "A name that goes on and on ".repeat(12)];
const nothing = () => undefined;

/** Every part in each of its states, to look at and for the tests to look through. */
export function Kit() {
  const [colour, setColour] = useState("green");
  const [found, setFound] = useState<string | undefined>("blue");
  const [isOn, setIsOn] = useState(true);
  const [tab, setTab] = useState<"one" | "two">("one");
  const [selected, setSelected] = useState<ReadonlySet<React.Key>>(new Set(["Order intake"]));
  const [open, setOpen] = useState<"dialog" | "palette">();
  const [typed, setTyped] = useState("");
  return (
    <main className="kit">
      <h1>Kit</h1>
      <Part title="Button">
        <Button kind="primary" icon={<Plus size={16} aria-hidden />}>
          Primary
        </Button>
        <Button>Default</Button>
        <Button kind="quiet">Quiet</Button>
        <Button kind="danger" icon={<Trash2 size={16} aria-hidden />}>
          Danger
        </Button>
        <Button size="dense">Dense</Button>
        <Button isBusy>Busy</Button>
        <Button disabledBecause="Because this is an example.">Disabled</Button>
        <IconButton label="Run" keys="Ctrl+Enter" icon={<Play size={16} aria-hidden />} />
        <Keys keys="G W" />
      </Part>
      <Part title="Field">
        <Field label="Name" hint="As others see it.">
          <Input placeholder="Order intake" />
        </Field>
        <Field label="E-mail" error="This is no e-mail address. One looks like ana@example.com.">
          <Input defaultValue="ana" />
        </Field>
        <Field label="Password" isOptional>
          <PasswordInput defaultValue="secret" />
        </Field>
        <Field label="Notes">
          <TextArea rows={3} />
        </Field>
        <Field label="Colour">
          <Select choices={COLOURS} value={colour} onChange={setColour} />
        </Field>
        <Field label="Searched">
          <Combobox choices={COLOURS} value={found} onChange={setFound} />
        </Field>
      </Part>
      <Part title="Choices">
        <SearchInput label="Search the kit" value="" onChange={nothing} />
        <Segments label="Segments" choices={COLOURS} value={colour} onChange={setColour} />
        <Switch label="On" isOn={isOn} onChange={setIsOn} />
        <Switch label="Off" isOn={!isOn} onChange={(on) => setIsOn(!on)} />
        <Switch label="Not to be switched" isOn disabledBecause="An example." onChange={nothing} />
        <Checkbox label="Checked" isChecked={isOn} onChange={setIsOn} />
        <Checkbox label="Some" isChecked="some" onChange={nothing} />
        <Checkbox label="Unchecked" isChecked={!isOn} onChange={nothing} />
      </Part>
      <Part title="Tabs">
        <Tabs
          label="Tabs"
          value={tab}
          onChange={setTab}
          tabs={[
            { value: "one", label: "One", content: "The first" },
            { value: "two", label: "Two", content: "The second" },
          ]}
        />
      </Part>
      <Part title="Over the page">
        <Button onClick={() => setOpen("dialog")}>Open a dialog</Button>
        <Button onClick={() => setOpen("palette")}>Open the commands</Button>
        <Menu
          trigger={<Button>Open a menu</Button>}
          groups={[
            [
              { label: "Copy", icon: <Copy size={16} aria-hidden />, keys: "Ctrl+C", onChoose: nothing },
              { label: "Not now", disabledBecause: "An example.", onChoose: nothing },
            ],
            [{ label: "Delete", icon: <Trash2 size={16} aria-hidden />, isDanger: true, onChoose: nothing }],
          ]}
        />
        <Button
          icon={<Bell size={16} aria-hidden />}
          onClick={() =>
            tell("plain", "Order intake is deleted", { action: { label: "Undo", run: nothing }, lasts: 0 })
          }
        >
          Tell
        </Button>
        <Button
          onClick={() =>
            tell("error", "It could not be saved", { description: "The server is away.", lasts: 0 })
          }
        >
          Tell of an error
        </Button>
      </Part>
      <Part title="Status">
        {STATUSES.map((status) => (
          <StatusBadge key={status} status={status} />
        ))}
        <StatusBadge status="COMPLETED" isPlain />
        <Chip>Version 1</Chip>
        <Chip tone="ok">On</Chip>
        <Chip tone="warning">Draft</Chip>
        <Chip tone="error">Broken</Chip>
        <Chip tone="accent">New</Chip>
        <RelativeTime time={new Date(Date.now() - 180_000).toISOString()} />
        {FAMILIES.map((family) => (
          <Tile key={family} svg={BOLT} family={family} />
        ))}
      </Part>
      <Part title="Table" isWide>
        <Table
          label="Examples"
          rows={ROWS}
          keyOf={(row) => row}
          nameOf={(row) => row}
          selected={selected}
          onSelect={setSelected}
          columns={[
            {
              name: "name",
              title: "Name",
              width: "minmax(0, 1fr)",
              narrow: "main",
              cell: (row) => <span className="cut">{row}</span>,
            },
            {
              name: "status",
              title: "Status",
              width: "120px",
              cell: () => <StatusBadge status="COMPLETED" />,
            },
          ]}
        />
      </Part>
      <Part title="Text to take along" isWide>
        <CodeBlock
          label="cURL"
          code={"curl -s localhost:8080/api/v1/workflows \\\n  -H 'Authorization: Bearer …'"}
        />
        <CopyField
          label="Address"
          value="http://127.0.0.1:8080/api/webhooks/01a1ffeb-1f1a-76be-9d08-cf75287f66af"
        />
        <JsonView
          label="JSON"
          fileName="example.json"
          value={{
            text: "ö <b>",
            number: 1.5,
            yes: true,
            no: null,
            list: [1, 2, { a: [] }],
            long: "x".repeat(900),
          }}
        />
      </Part>
      <Part title="States" isWide>
        <SkeletonRows count={2} />
        <EmptyState
          icon={<Workflow size={20} aria-hidden />}
          title="Nothing yet"
          actions={<Button>Make one</Button>}
        >
          One sentence, one button.
        </EmptyState>
        <ErrorCard error={new Failure("offline", "away")} onRetry={nothing} />
        <ErrorCard
          error={new Failure("refused", "the graph has a mistake", { status: 422, requestId: "01a1ffeb" })}
        />
        <FormError message="The e-mail or the password is wrong." />
      </Part>
      <Dialog
        title="A dialog"
        description="It says what it is for."
        isOpen={open === "dialog"}
        onClose={() => setOpen(undefined)}
      >
        <DialogActions>
          <Button onClick={() => setOpen(undefined)}>Cancel</Button>
          <Button kind="primary">Do it</Button>
        </DialogActions>
      </Dialog>
      {open === "palette" && (
        <CommandPalette
          label="Commands"
          placeholder="Type a command"
          onClose={() => setOpen(undefined)}
          text={typed}
          onSearch={setTyped}
          groups={[
            { label: "Go to", items: [{ id: "w", label: "Workflows", keys: "G W", run: nothing }] },
            { label: "Do", items: [{ id: "n", label: "New workflow", detail: "Make", run: nothing }] },
          ]}
        />
      )}
      <Toasts />
    </main>
  );
}

function Part({ title, isWide = false, children }: { title: string; isWide?: boolean; children: ReactNode }) {
  return (
    <section className={isWide ? "kit-part kit-wide" : "kit-part"} aria-label={title}>
      <h2>{title}</h2>
      <div>{children}</div>
    </section>
  );
}
