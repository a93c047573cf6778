/** Rows under titles, for a terminal and for a pipe alike. */

/** A column's title, and the side that its cells keep to. */
export interface Column {
  readonly title: string;
  /** For numbers. */
  readonly right?: boolean;
  /** Where there is no room it is left out, the highest first; one without stays. */
  readonly leaveOut?: number;
}

const GAP = 2;

/**
 * Lines of aligned cells, the titles first; nothing trails. In `room` columns of a terminal what matters least is left out;
 * without, as in a pipe, there is all of it.
 */
export function alignTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room = Number.POSITIVE_INFINITY,
): string[] {
  const all = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, i) => all.reduce((widest, cells) => Math.max(widest, cells[i].length), 0));
  const shown = shownColumns(columns, widths, room);
  return all.map((cells) =>
    shown
      .map((i) => (columns[i].right === true ? cells[i].padStart(widths[i]) : cells[i].padEnd(widths[i])))
      .join(" ".repeat(GAP))
      .trimEnd(),
  );
}

/** Which columns fit. */
function shownColumns(columns: readonly Column[], widths: readonly number[], room: number): number[] {
  const shown = columns.map((_, i) => i);
  const going = shown
    .filter((i) => columns[i].leaveOut !== undefined)
    .toSorted((a, b) => (columns[b].leaveOut ?? 0) - (columns[a].leaveOut ?? 0));
  const width = (): number => shown.reduce((sum, i) => sum + widths[i] + GAP, -GAP);
  for (const i of going) {
    if (width() <= room) break;
    shown.splice(shown.indexOf(i), 1);
  }
  return shown;
}
