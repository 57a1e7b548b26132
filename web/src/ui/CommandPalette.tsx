import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { Search } from "lucide-react";
import type { ReactNode } from "react";
import { kit } from "../text/kit";
import { shown } from "../text/shown";
import "./CommandPalette.css";
import "./Dialog.css";
import { Keys } from "./Keys";

export interface Command {
  id: string;
  label: string;
  /** More words it is found by, and what stands small beside it. */
  detail?: string;
  icon?: ReactNode;
  keys?: string;
  run: () => void;
}

export interface CommandGroup {
  label: string;
  items: readonly Command[];
}

interface CommandPaletteProps {
  label: string;
  placeholder: string;
  groups: readonly CommandGroup[];
  onClose: () => void;
  /** What is typed; something may be already. */
  text: string;
  onSearch: (text: string) => void;
}

/** Everything that can be done or gone to, found by typing. */
export function CommandPalette({ label, placeholder, groups, onClose, text, onSearch }: CommandPaletteProps) {
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="dialog palette" aria-label={label}>
          <Autocomplete.Root
            open
            inline
            items={groups}
            autoHighlight="always"
            keepHighlight
            itemToStringValue={(command: Command) => `${command.label} ${command.detail ?? ""}`}
            value={text}
            onValueChange={onSearch}
          >
            <div className="palette-head">
              <Search size={18} aria-hidden />
              <Autocomplete.Input
                className="palette-input"
                aria-label={label}
                placeholder={placeholder}
                maxLength={200}
                onFocus={({ currentTarget: input }) => {
                  input.setSelectionRange(input.value.length, input.value.length);
                }}
              />
              <Dialog.Close className="unseen">{kit.close}</Dialog.Close>
            </div>
            <div className="palette-body">
              <Autocomplete.Empty className="floating-empty">{kit.nothingFits}</Autocomplete.Empty>
              <Autocomplete.List>
                {(group: CommandGroup) => (
                  <Autocomplete.Group key={group.label} items={group.items} className="palette-group">
                    <Autocomplete.GroupLabel className="floating-label">
                      {group.label}
                    </Autocomplete.GroupLabel>
                    <Autocomplete.Collection>
                      {(command: Command) => (
                        <Autocomplete.Item
                          key={command.id}
                          value={command}
                          className="floating-item palette-item"
                          onClick={() => {
                            onClose();
                            command.run();
                          }}
                        >
                          {command.icon}
                          <span className="floating-text">{shown(command.label)}</span>
                          {command.detail !== undefined && (
                            <span className="palette-detail">{command.detail}</span>
                          )}
                          {command.keys !== undefined && <Keys keys={command.keys} />}
                        </Autocomplete.Item>
                      )}
                    </Autocomplete.Collection>
                  </Autocomplete.Group>
                )}
              </Autocomplete.List>
            </div>
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
