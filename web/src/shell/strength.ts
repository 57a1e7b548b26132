export const SHORTEST = 10;

/** From 0, easy to guess, to 3, strong: by length and by how many kinds of characters there are. It only advises. */
export function strength(password: string): 0 | 1 | 2 | 3 {
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{L}\d]/u].filter((kind) => kind.test(password)).length;
  const different = new Set(password).size;
  if (password.length < SHORTEST || different < 6) return 0;
  const points = (password.length >= 14 ? 1 : 0) + (password.length >= 18 ? 1 : 0) + (kinds >= 3 ? 1 : 0);
  return points >= 2 ? 3 : points === 1 ? 2 : 1;
}
