import type { Schemas } from "../../api/client";
import { usedScopes } from "../../api/keys";
import { keys } from "../../text/keys";
import { Button } from "../../ui/Button";
import { Checkbox } from "../../ui/Checkbox";
import "./ScopeChoice.css";

type Scope = Schemas["Scope"];

const texts = keys.create;

const PRESETS: readonly [string, readonly Scope[]][] = [
  [texts.running, ["workflows:read", "workflows:execute"]],
  [texts.reading, usedScopes.filter((scope) => scope.endsWith(":read"))],
  [texts.everything, usedScopes],
  [texts.nothing, []],
];

/** What a key may do, in groups and in plain words. */
export function ScopeChoice({
  chosen,
  onChange,
}: {
  chosen: readonly Scope[];
  onChange: (scopes: readonly Scope[]) => void;
}) {
  const groups = Object.entries(keys.groups)
    .map(([group, name]) => ({ name, scopes: usedScopes.filter((scope) => scope.startsWith(`${group}:`)) }))
    .filter(({ scopes }) => scopes.length > 0);
  return (
    <fieldset className="scopes">
      <legend className="field-label">{texts.may}</legend>
      <fieldset className="scope-presets" aria-label={texts.presets}>
        {PRESETS.map(([name, scopes]) => (
          <Button key={name} size="dense" onClick={() => onChange(scopes)}>
            {name}
          </Button>
        ))}
      </fieldset>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className="scope-groups" aria-label={texts.may} tabIndex={0}>
        <div>
          {groups.map(({ name, scopes }) => (
            <section key={name} aria-label={name}>
              <h3>{name}</h3>
              {scopes.map((scope) => (
                // biome-ignore lint/a11y/noLabelWithoutControl: the checkbox is inside it
                <label key={scope} className="scope">
                  <Checkbox
                    isChecked={chosen.includes(scope)}
                    onChange={(isOn) =>
                      onChange(isOn ? [...chosen, scope] : chosen.filter((one) => one !== scope))
                    }
                  />
                  <span>
                    {keys.scopes[scope]}
                    <code>{scope}</code>
                  </span>
                </label>
              ))}
            </section>
          ))}
        </div>
      </section>
    </fieldset>
  );
}
