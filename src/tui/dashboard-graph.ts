/** Small drawings made of characters: a figure over time, a share, an angle in its range, the arm from its side. */
import { armPoints } from "../robot/kinematics.ts";
import { resample } from "./dashboard-history.ts";

const BLOCKS = "▁▂▃▄▅▆▇█";
const ASCII_BLOCKS = "_.-=+*%#";

/** Of the values, so many at either end may be beyond what is drawn: the first ones of a scene say little. */
const OUTLIERS = 0.04;

/** A figure over time in at most `columns`, from its lowest to its highest value but for outliers. */
export function sparkline(values: readonly number[], columns: number, isUnicode: boolean): string {
  return chart(values, columns, 1, isUnicode)[0];
}

/** The same, `rows` high; the highest row first. */
export function chart(
  values: readonly number[],
  columns: number,
  rows: number,
  isUnicode: boolean,
): string[] {
  const blocks = isUnicode ? BLOCKS : ASCII_BLOCKS;
  const steps = blocks.length;
  const points = resample(values, columns);
  const sorted = points.toSorted((a, b) => a - b);
  const left = Math.floor(points.length * OUTLIERS);
  const low = sorted[left];
  const span = sorted[points.length - 1 - left] - low;
  const level = (value: number): number =>
    span === 0 ? 0.5 : Math.min(1, Math.max(0, (value - low) / span));
  // In eighths of a row; the lowest is seen too.
  const heights = points.map((value) => 1 + Math.round(level(value) * (rows * steps - 1)));
  return Array.from({ length: rows }, (_, row) => {
    const below = (rows - 1 - row) * steps;
    return heights
      .map((height) => (height <= below ? " " : blocks[Math.min(steps, height - below) - 1]))
      .join("");
  });
}

/** A share (0…1) of `columns`. */
export function bar(share: number, columns: number): string {
  const full = Math.floor(Math.min(1, Math.max(0, share)) * columns);
  return "█".repeat(full).padEnd(columns, "░");
}

/** Where a value stands between two ends, in `columns`; one beyond them stands at the end. */
export function gauge(value: number, low: number, high: number, columns: number): string {
  const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
  const at = Math.round(share * (columns - 1));
  return `${"─".repeat(at)}●${"─".repeat(columns - 1 - at)}`;
}

/** What the side view shows, metres in the arm's own plane: forward × up. The arm reaches about 0.45 m. */
const VIEW = { left: -0.16, right: 0.46, bottom: -0.06, top: 0.46 } as const;

/** Braille cells are 2 × 4 dots; the bits of each dot as Unicode orders them. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** The arm seen from its side, turned so that it reaches to the right, in braille; `anglesRad`: ≥ 5, in motor order. */
export function drawArm(anglesRad: readonly number[], columns: number, rows: number): string[] {
  const cells = Array.from({ length: rows }, () => new Uint8Array(columns));
  const [width, height] = [columns * 2, rows * 4];
  const scale = Math.min(width / (VIEW.right - VIEW.left), height / (VIEW.top - VIEW.bottom));
  const dot = (x: number, y: number): void => {
    const [column, row] = [x >> 1, y >> 2];
    if (x >= 0 && y >= 0 && column < columns && row < rows) cells[row][column] |= DOTS[y & 3][x & 1];
  };
  const place = ([x, , z]: readonly number[]): [number, number] => [
    Math.round((x - VIEW.left) * scale),
    Math.round((VIEW.top - z) * scale),
  ];
  // Seen from its own side: the pan turns the view with it.
  const points = armPoints([0, ...anglesRad.slice(1)]).map(place);
  const [, floor] = place([0, 0, 0]);
  for (let x = 0; x < width; x += 3) dot(x, floor);
  for (let i = 1; i < points.length; i++) line(points[i - 1], points[i], dot);
  const cell = (bits: number): string => (bits === 0 ? " " : String.fromCharCode(0x2800 + bits));
  return cells.map((row) => Array.from(row, cell).join(""));
}

function line(
  [x0, y0]: [number, number],
  [x1, y1]: [number, number],
  dot: (x: number, y: number) => void,
): void {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let i = 0; i <= steps; i++) {
    dot(Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps));
  }
}
