/** Rows under titles, for a terminal and for a pipe alike. */

/** A column's title, and the side that its cells keep to. */
export interface Column {
  readonly title: string;
  /** For numbers. */
  readonly right?: boolean;
}

/** Lines of aligned cells, the titles first; nothing trails. */
export function alignTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, i) => lines.reduce((widest, cells) => Math.max(widest, cells[i].length), 0));
  return lines.map((cells) =>
    columns
      .map(({ right }, i) => (right === true ? cells[i].padStart(widths[i]) : cells[i].padEnd(widths[i])))
      .join("  ")
      .trimEnd(),
  );
}
