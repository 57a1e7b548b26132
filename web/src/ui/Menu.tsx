import { Menu as Base } from "@base-ui/react/menu";
import { Fragment, type ReactElement, type ReactNode } from "react";
import { Keys } from "./Keys";
import "./Floating.css";

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  keys?: string;
  isDanger?: boolean;
  /** Why it cannot be chosen now. */
  disabledBecause?: string | undefined;
  onChoose: () => void;
}

interface MenuProps {
  /** The button that opens it. */
  trigger: ReactElement;
  /** A line is drawn between the groups. */
  groups: readonly (readonly MenuItem[])[];
}

/** What else can be done. */
export function Menu({ trigger, groups }: MenuProps) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner sideOffset={4} align="end" className="floating">
          <Base.Popup className="floating-card">
            {groups.map((items, at) => (
              <Fragment key={items[0]?.label}>
                {at > 0 && <Base.Separator className="floating-line" />}
                {items.map((item) => (
                  <Base.Item
                    key={item.label}
                    className="floating-item"
                    data-danger={item.isDanger || undefined}
                    disabled={item.disabledBecause !== undefined}
                    title={item.disabledBecause}
                    onClick={item.onChoose}
                  >
                    {item.icon}
                    <span className="floating-text">{item.label}</span>
                    {item.keys !== undefined && (
                      <span className="floating-end">
                        <Keys keys={item.keys} />
                      </span>
                    )}
                  </Base.Item>
                ))}
              </Fragment>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
