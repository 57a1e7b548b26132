import "./Prose.css";

/** A sentence in which what stands in backticks is code. */
export function Words({ text }: { text: string }) {
  // Every second part was between two backticks.
  return text.split("`").map((part, at) =>
    at % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text stay where they are
      <code key={at} className="code">
        {part}
      </code>
    ) : (
      part
    ),
  );
}

/** The little of Markdown that documentation here is written in: paragraphs, lists, code. */
export function Prose({ text }: { text: string }) {
  return (
    <div className="prose">
      {blocks(text).map((block) => {
        if (block.kind === "code") return <pre key={block.text}>{block.text}</pre>;
        if (block.kind === "text") {
          return (
            <p key={block.text}>
              <Words text={block.text} />
            </p>
          );
        }
        return (
          <ul key={block.text}>
            {block.text.split(/\n(?=[*-] )/).map((item) => (
              <li key={item}>
                <Words text={item.replace(/^[*-] /, "").replaceAll("\n", " ")} />
              </li>
            ))}
          </ul>
        );
      })}
    </div>
  );
}

interface Block {
  kind: "text" | "list" | "code";
  text: string;
}

export function blocks(text: string): Block[] {
  const found: Block[] = [];
  for (const [at, part] of text.split(/^```.*$/m).entries()) {
    if (at % 2 === 1) {
      found.push({ kind: "code", text: part.trim() });
      continue;
    }
    for (const block of part.split(/\n{2,}/).map((one) => one.trim())) {
      if (block !== "") found.push({ kind: /^[*-] /.test(block) ? "list" : "text", text: block });
    }
  }
  return found;
}
