// What all texts share. Each part of the application has its catalogue beside this file, one object of sentences and of
// functions that make them; a language more is a folder more of the same types.

const rules = new Intl.PluralRules("en");
export const numbers = new Intl.NumberFormat("en");

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

const STEPS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** `512 byte`, `4.2 MB`, by thousands. */
export function bytes(amount: number): string {
  const step = amount < 1 ? 0 : Math.min(Math.floor(Math.log10(amount) / 3), STEPS.length - 1);
  const unit = STEPS[step] ?? "byte";
  const digits = step === 0 ? 0 : 1;
  return new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: digits }).format(
    amount / 1000 ** step,
  );
}
