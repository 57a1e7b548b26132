import { Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { kit } from "../text/kit";
import "./Field.css";

const PAUSE = 200;

/** What a list is searched with: tells its value when the typing pauses. `/` leads to it. */
export function SearchInput({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  // The address may change it too, by a step back.
  if (value !== told.current) {
    told.current = value;
    setTyped(value);
  }
  useEffect(() => {
    if (typed === told.current) return;
    const timer = setTimeout(() => {
      told.current = typed;
      onChange(typed);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [typed, onChange]);
  const clear = () => {
    setTyped("");
    told.current = "";
    onChange("");
    input.current?.focus();
  };
  return (
    <div className="search">
      <Search size={16} aria-hidden className="search-icon" />
      <input
        ref={input}
        className="input"
        type="search"
        aria-label={label}
        placeholder={label}
        data-search
        value={typed}
        maxLength={200}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && typed !== "") {
            event.preventDefault();
            clear();
          }
        }}
      />
      {typed !== "" && (
        <button type="button" className="input-button" aria-label={kit.clearSearch} onClick={clear}>
          <X size={14} aria-hidden />
        </button>
      )}
    </div>
  );
}
