import "./MiddleCut.css";

/** So many characters at the end are always shown. */
const END = 8;

/** Code whose end tells it from others, such as an address: where room is short, its middle is left out. */
export function MiddleCut({ text }: { text: string }) {
  return (
    <code className="middle-cut faint" title={text}>
      <span className="cut">{text.slice(0, -END)}</span>
      <span>{text.slice(-END)}</span>
    </code>
  );
}
