// Where things stand in a JSON text: the server names mistakes by pointers (RFC 6901), people by lines.

export interface Range {
  from: number;
  to: number;
}

export type Located =
  | {
      value: unknown;
      ranges: Map<string, Range>;
      /** Of fields whose name comes again, which takes their place. */
      replaced: [pointer: string, Range][];
    }
  /** What is wrong with the text itself, and where. */
  | { error: { at: number; message: string } };

/** More would not be read by the server either. */
const DEEPEST = 128;

/** Reads a JSON text, and says where each of its values stands. */
export function locate(text: string): Located {
  const ranges = new Map<string, Range>();
  const replaced: [string, Range][] = [];
  let at = 0;
  const fail = (message: string): never => {
    throw new Mistake(at, message);
  };
  const skip = () => {
    while (at < text.length && " \t\r\n".includes(text[at] as string)) at += 1;
  };
  const expect = (mark: string, where: string) => {
    skip();
    if (text[at] !== mark) fail(`\`${mark}\` is missing ${where}`);
    at += 1;
  };
  const string = (): string => {
    const from = at;
    at += 1;
    while (at < text.length && text[at] !== '"') {
      if (text[at] === "\n") fail("a text must end on its line");
      at += text[at] === "\\" ? 2 : 1;
    }
    if (at >= text.length) fail("a text does not end");
    at += 1;
    try {
      return JSON.parse(text.slice(from, at));
    } catch {
      at = from;
      return fail("this text has a character that must be written with `\\`");
    }
  };
  const read = (pointer: string, depth: number): unknown => {
    skip();
    if (depth > DEEPEST) fail("this is nested too deep");
    const from = at;
    const first = text[at];
    let value: unknown;
    if (first === "{") {
      const object: Record<string, unknown> = {};
      at += 1;
      for (skip(); text[at] !== "}"; skip()) {
        if (Object.keys(object).length > 0) {
          expect(",", "between the fields");
          skip();
        }
        if (text[at] !== '"') fail("the name of a field, in quotes, is missing");
        const name = string();
        expect(":", `after \`${name}\``);
        const inner = read(`${pointer}/${escapePointer(name)}`, depth + 1);
        Object.defineProperty(object, name, {
          value: inner,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      at += 1;
      value = object;
    } else if (first === "[") {
      const list: unknown[] = [];
      at += 1;
      for (skip(); text[at] !== "]"; skip()) {
        if (list.length > 0) expect(",", "between the items");
        list.push(read(`${pointer}/${list.length}`, depth + 1));
      }
      at += 1;
      value = list;
    } else if (first === '"') {
      value = string();
    } else {
      const word = /[^\s,\]}:]*/y;
      word.lastIndex = at;
      const found = word.exec(text)?.[0] ?? "";
      try {
        value = JSON.parse(found);
      } catch {
        fail(found === "" ? "a value is missing" : `\`${found.slice(0, 40)}\` is no JSON value`);
      }
      at += found.length;
    }
    const before = ranges.get(pointer);
    if (before !== undefined) replaced.push([pointer, before]);
    ranges.set(pointer, { from, to: at });
    return value;
  };
  try {
    const value = read("", 0);
    skip();
    if (at < text.length) fail("something follows after the end");
    return { value, ranges, replaced };
  } catch (error) {
    if (error instanceof Mistake)
      return { error: { at: Math.min(error.at, text.length), message: error.message } };
    throw error;
  }
}

/** Where a pointer points; where there is no such value, the nearest one above. */
export function rangeOf(ranges: Map<string, Range>, pointer: string): Range {
  for (let path = pointer; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const found = ranges.get(path);
    if (found !== undefined) return found;
  }
  const whole = ranges.get("");
  // The whole text would be too much to underline.
  return whole === undefined ? { from: 0, to: 0 } : { from: whole.from, to: whole.from + 1 };
}

export function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

class Mistake extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}
