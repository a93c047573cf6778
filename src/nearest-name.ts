/** Which name was meant by one that there is not. */

/** Further away than this nobody has slipped. */
const MOST_SLIPS = 3;

/** The name most like `typed`, null when none is like it. Case does not count; swapped neighbours are one slip. */
export function nearestName(typed: string, names: readonly string[]): string | null {
  // Longer than any name, and the work is the product of the lengths.
  if (typed.length > 64) return null;
  const most = Math.min(MOST_SLIPS, Math.max(1, Math.floor(typed.length / 3)));
  const found = names
    .map((name) => ({ name, slips: slipsBetween(typed.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.slips - b.slips)[0];
  return found !== undefined && found.slips <= most ? found.name : null;
}

/** Letters put in, left out, changed or swapped with the next (optimal string alignment). */
export function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let slips = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (isSame ? 0 : 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) slips = Math.min(slips, rows[i - 2][j - 2] + 1);
      row.push(slips);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
