// What all texts share. Each part of the application has its catalogue beside this file, one object of sentences and of
// functions that make them; a language more is a folder more of the same types.

const rules = new Intl.PluralRules("en");
const numbers = new Intl.NumberFormat("en");

/** `1 workflow`, `2 workflows`. */
export function count(amount: number, one: string, other: string): string {
  return `${numbers.format(amount)} ${rules.select(amount) === "one" ? one : other}`;
}

/** A server's message as a sentence: they begin in lower case and have no full stop. */
export function sentence(message: string): string {
  const trimmed = message.trim();
  if (trimmed === "") return "";
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
