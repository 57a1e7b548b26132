import { Toast } from "@base-ui/react/toast";
import { CircleCheck, CircleX, Info, X } from "lucide-react";
import { useEffect } from "react";
import { useStore } from "../api/store";
import { kit } from "../text/kit";
import { shown } from "../text/shown";
import { type Message, waiting } from "./toast";
import "./Toasts.css";

const ICONS = { done: CircleCheck, error: CircleX, plain: Info };

/** Draws what [`tell`] says. */
export default function Toasts() {
  return (
    <Toast.Provider limit={4}>
      <Fetch />
      <Toast.Portal>
        <Toast.Viewport className="toasts" aria-label={kit.messages}>
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

/** Takes over what waits. */
function Fetch() {
  const { add, close } = Toast.useToastManager();
  const messages = useStore(waiting);
  useEffect(() => {
    if (messages.length === 0) return;
    waiting.set([]);
    for (const { id, kind, title, description, action, lasts } of messages) {
      const name = `message-${id}`;
      add<Pick<Message, "kind">>({
        id: name,
        title: shown(title),
        description,
        timeout: lasts,
        // Those of a high priority would be hidden from readers of screens, with the buttons in them, and read from a copy.
        priority: "low",
        data: { kind },
        actionProps: action && {
          children: action.label,
          onClick: () => {
            action.run();
            close(name);
          },
        },
      });
    }
  }, [messages, add, close]);
  return null;
}

function List() {
  const { toasts } = Toast.useToastManager<Pick<Message, "kind">>();
  return toasts.map((toast) => {
    const kind = toast.data?.kind ?? "plain";
    const Icon = ICONS[kind];
    return (
      <Toast.Root key={toast.id} toast={toast} className="toast" data-kind={kind}>
        <Toast.Content className="toast-content">
          <Icon size={18} aria-hidden className="toast-icon" />
          <div className="toast-words">
            <Toast.Title className="toast-title" />
            <Toast.Description className="toast-description" />
          </div>
          <Toast.Action className="button button-default button-dense" />
          <Toast.Close className="button button-quiet button-dense icon-button" aria-label={kit.close}>
            <X size={14} aria-hidden />
          </Toast.Close>
        </Toast.Content>
      </Toast.Root>
    );
  });
}
