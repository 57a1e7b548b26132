import "./Keys.css";

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);

/** Keys to press: `Ctrl+K` together, `G W` one after the other. */
export function Keys({ keys }: { keys: string }) {
  return (
    <span className="keys">
      {keys.split(/[+ ]/).map((key) => (
        <kbd key={key}>{isApple && key === "Ctrl" ? "⌘" : key}</kbd>
      ))}
    </span>
  );
}
