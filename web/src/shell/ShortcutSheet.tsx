import { useStore } from "../api/store";
import { shell } from "../text/shell";
import { Dialog } from "../ui/Dialog";
import { Keys } from "../ui/Keys";
import { Switch } from "../ui/Switch";
import { chooseSingleKeys, singleKeys } from "../ui/singleKeys";
import { places } from "./places";
import "./ShortcutSheet.css";

const { sheet } = shell;

const PARTS: readonly [string, readonly [string, string][]][] = [
  [
    sheet.general,
    [
      ["Ctrl+K", sheet.commands],
      ["?", sheet.help],
      ["/", sheet.find],
      ["Esc", sheet.close],
    ],
  ],
  [sheet.goTo, places.map((place) => [`G ${place.key}`, place.label])],
  [
    sheet.lists,
    [
      ["↓ ↑", sheet.nextRow],
      ["Enter", sheet.open],
      ["X", sheet.select],
      ["Shift+↓", sheet.selectMore],
    ],
  ],
  [
    sheet.editor,
    [
      ["Ctrl+S", sheet.save],
      ["Ctrl+Enter", sheet.start],
      ["Tab", sheet.leaveEditor],
    ],
  ],
];

export default function ShortcutSheet({ onClose }: { onClose: () => void }) {
  const areOn = useStore(singleKeys);
  return (
    <Dialog title={sheet.title} isOpen onClose={onClose} size="wide">
      <div className="sheet">
        <div className="sheet-parts">
          {PARTS.map(([title, shortcuts]) => (
            <section key={title}>
              <h3>{title}</h3>
              <dl>
                {shortcuts.map(([keys, does]) => (
                  <div key={keys}>
                    <dt>{does}</dt>
                    <dd>
                      <Keys keys={keys} />
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        <div className="sheet-switch">
          <div>
            <div>{sheet.single}</div>
            <p>{sheet.singleHint}</p>
          </div>
          <Switch label={sheet.single} isOn={areOn} onChange={chooseSingleKeys} />
        </div>
      </div>
    </Dialog>
  );
}
