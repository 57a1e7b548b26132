/** The product's sign, as in public/icon.svg. */
export function Mark({ size = 22 }: { size?: number }) {
  return <img src="/icon.svg" alt="" width={size} height={size} />;
}
