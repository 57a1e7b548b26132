import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Blocks, FileUp, ListChecks, LogOut, Monitor, Moon, Plus, Sun, Workflow } from "lucide-react";
import { useDeferredValue, useMemo } from "react";
import { connectorList } from "../api/connectors";
import { useMay } from "../api/may";
import { useStore } from "../api/store";
import { workflowsNamed } from "../api/workflows";
import { shell } from "../text/shell";
import { type CommandGroup, CommandPalette } from "../ui/CommandPalette";
import { leave } from "./leave";
import { commandText, wantsImport } from "./overlays";
import { places } from "./places";
import { chooseTheme } from "./theme";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The commands of every screen. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const mayWrite = useMay()("workflows:write");
  const typed = useStore(commandText);
  const text = useDeferredValue(typed.trim());
  const found = useQuery(workflowsNamed(text));
  const catalogue = useQuery(connectorList);
  const groups = useMemo(() => {
    const { palette, themes } = shell;
    const made: CommandGroup[] = [];
    if (ID.test(text)) {
      const open = () => void navigate({ to: "/executions/$id", params: { id: text.toLowerCase() } });
      const icon = <ListChecks size={16} aria-hidden />;
      made.push({
        label: palette.executions,
        items: [{ id: text, label: palette.openExecution(text), icon, run: open }],
      });
    }
    made.push({
      label: palette.goTo,
      items: places.map(({ to, label, icon: Icon, key }) => ({
        id: to,
        label,
        icon: <Icon size={16} aria-hidden />,
        keys: `G ${key}`,
        run: () => void navigate({ to }),
      })),
    });
    const workflows = found.data?.data ?? [];
    if (workflows.length > 0) {
      made.push({
        label: palette.workflows,
        items: workflows.map((workflow) => ({
          id: workflow.id,
          label: workflow.name,
          icon: <Workflow size={16} aria-hidden />,
          run: () => void navigate({ to: "/workflows/$id", params: { id: workflow.id } }),
        })),
      });
    }
    const theme = (name: "system" | "light" | "dark", Icon: typeof Sun) => ({
      id: name,
      label: palette.switchTo(themes[name]),
      icon: <Icon size={16} aria-hidden />,
      run: () => chooseTheme(name),
    });
    // Many and seldom wanted: only for who has typed something.
    const connectors = text === "" ? [] : (catalogue.data?.data ?? []);
    if (connectors.length > 0) {
      made.push({
        label: palette.connectors,
        items: connectors.map((connector) => ({
          id: connector.type,
          label: connector.title,
          detail: connector.type,
          icon: <Blocks size={16} aria-hidden />,
          run: () => void navigate({ to: "/connectors/$type", params: { type: connector.type } }),
        })),
      });
    }
    made.push({
      label: palette.actions,
      items: [
        {
          id: "new",
          label: palette.newWorkflow,
          icon: <Plus size={16} aria-hidden />,
          run: () => void navigate({ to: "/workflows", search: { make: "webhook" } }),
        },
        ...(mayWrite
          ? [
              {
                id: "import",
                label: palette.importWorkflow,
                icon: <FileUp size={16} aria-hidden />,
                run: () => {
                  wantsImport.set(true);
                  void navigate({ to: "/workflows" });
                },
              },
            ]
          : []),
        theme("light", Sun),
        theme("dark", Moon),
        theme("system", Monitor),
        {
          id: "log-out",
          label: shell.logOut,
          icon: <LogOut size={16} aria-hidden />,
          run: () => leave(),
        },
      ],
    });
    return made;
  }, [text, found.data, catalogue.data, navigate, mayWrite]);
  return (
    <CommandPalette
      label={shell.palette.label}
      placeholder={shell.palette.placeholder}
      groups={groups}
      onClose={onClose}
      text={typed}
      onSearch={(text) => commandText.set(text)}
    />
  );
}
