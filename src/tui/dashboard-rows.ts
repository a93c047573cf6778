/** The screen as rows of text: what is known in the room there is. What matters least goes first. */
import { count, percent } from "../quantities.ts";
import {
  answerBlock,
  chunksBlock,
  engineBlock,
  framesBlock,
  gateBlock,
  headBlock,
  helpBlock,
  keysBlock,
  latencyBlock,
  linkBlock,
  notesBlock,
  psnrBlock,
  stateBlock,
  trainingBlock,
  warningsBlock,
  type Width,
} from "./dashboard-blocks.ts";
import { anglesBlock, armBlock, jointsBlock } from "./dashboard-joints.ts";
import { asciiRow, clip, joined, padRow, span, type Row } from "./dashboard-text.ts";
import type { Room, View } from "./dashboard-view.ts";

/** Some rows that stand together. */
interface Block {
  readonly rows: readonly Row[];
  /** Where there is no room, blocks lose their rows in this order, the lowest first. */
  readonly weight: number;
  /** Fewer rows than this say nothing; default 1. */
  readonly least?: number;
  /** Which of its rows goes first; default the last. */
  readonly cut?: "first" | "last";
}

/** Less than this is one line. */
const LEAST_COLUMNS = 24;
const LEAST_ROWS = 4;
/** From here on the arm and the chunks stand beside the figures. */
const WIDE_COLUMNS = 100;
const WIDE_ROWS = 18;
const SIDE_COLUMNS = 42;
const GAP_COLUMNS = 3;
const MOST_ARM_ROWS = 18;
/** From here on figures over time are drawn higher, and more chunks are named. */
const HIGH_ROWS = 30;
const CHART_ROWS = 4;

/**
 * The rows of a screen: none wider than a column less than there are, and one row fewer than there are, so that nothing
 * ever scrolls. At least one.
 */
export function screenRows(view: View, room: Room): Row[] {
  const columns = Math.max(1, room.columns - 1);
  const height = Math.max(1, room.rows - 1);
  const width = { columns, isUnicode: room.isUnicode };
  const isTiny = room.columns < LEAST_COLUMNS || room.rows < LEAST_ROWS;
  const rows = isTiny ? [lineOf(view)] : fullScreen(view, width, height);
  const fitted = (row: Row): Row =>
    room.isUnicode ? clip(row, columns) : asciiRow(clip(asciiRow(row), columns));
  return rows.slice(0, height).map((row) => joined(fitted(row)));
}

/** All that can be said on one line. */
function lineOf({ status, link, local, question, ending }: View): Row {
  if (question !== null) return [span("stop? y/n", "bold")];
  if (ending !== null) return [span("ending")];
  const paused = local.capture?.paused === true ? "PAUSED " : "";
  if (status === null) return [span(`${paused}${link.kind === "away" ? "no answer" : "asking"}`)];
  const away = link.kind === "away" ? "no answer, " : "";
  const { state, progress, frame_count, gaussian_count } = status;
  return [
    span(
      `${paused}${away}${state} ${percent(progress)} ${count(frame_count)} frames ${count(gaussian_count)} G`,
    ),
  ];
}

function fullScreen(view: View, width: Width, height: number): Row[] {
  const head = [
    { rows: headBlock(view, width), weight: 90 },
    { rows: stateBlock(view, width), weight: 100 },
    { rows: linkBlock(view, width), weight: 96 },
    { rows: answerBlock(view, width), weight: 98 },
  ];
  const foot = [{ rows: keysBlock(view, width), weight: 72 }];
  if (view.isHelp) return stack(head, [{ rows: helpBlock(view, width), weight: 80 }], foot, height);
  const isWide = width.columns >= WIDE_COLUMNS && height >= WIDE_ROWS;
  if (!isWide) return stack(head, narrow(view, width), foot, height);
  const bodyRows = height - rowsOf(head) - rowsOf(foot) - 2;
  return stack(head, [{ rows: wide(view, width, bodyRows), weight: 50 }], foot, height);
}

/** The head, a blank, the body, as many blanks as are left, the foot. */
function stack(
  head: readonly Block[],
  body: readonly Block[],
  foot: readonly Block[],
  height: number,
): Row[] {
  const fitted = fit([...head, gap(6), ...body, gap(5), ...foot], height);
  const footRows = fitted.slice(-foot.length).flat();
  const above = fitted.slice(0, -foot.length).flat();
  const blanks = Array.from({ length: Math.max(0, height - above.length - footRows.length) }, (): Row => []);
  return [...above, ...blanks, ...footRows];
}

function narrow(view: View, width: Width): Block[] {
  const angles = anglesBlock(view, width);
  return [
    ...figures(view, width),
    gap(angles.length > 0 ? 4 : 0),
    { rows: jointsBlock(view), weight: 58 },
    { rows: angles, weight: 30, least: 3 },
    gap(3),
    { rows: chunksBlock(view, width).slice(0, 4), weight: 35 },
    { rows: engineBlock(view), weight: 25 },
    gap(2),
    ...told(view, width),
  ];
}

/** A blank row; weight 0 = none. */
function gap(weight: number): Block {
  return { rows: weight === 0 ? [] : [[]], weight };
}

function figures(view: View, width: Width, chartRows = 1): Block[] {
  return [
    { rows: framesBlock(view, width), weight: 88 },
    { rows: gateBlock(view), weight: 62 },
    { rows: trainingBlock(view), weight: 78 },
    { rows: psnrBlock(view, width, chartRows), weight: 76 },
    { rows: latencyBlock(view, width), weight: 50 },
  ];
}

function told(view: View, width: Width): Block[] {
  return [
    { rows: warningsBlock(view, width), weight: 66 },
    { rows: notesBlock(view, width, { from: 40, to: 3 }), weight: 8, cut: "first" },
    { rows: notesBlock(view, width, { from: 3, to: 0 }), weight: 32, cut: "first" },
  ];
}

/** Figures on the left; the arm and the chunks on the right. */
function wide(view: View, { columns, isUnicode }: Width, height: number): Row[] {
  const left = { columns: columns - SIDE_COLUMNS - GAP_COLUMNS, isUnicode };
  const right = { columns: SIDE_COLUMNS, isUnicode };
  const angles = anglesBlock(view, right);
  const isHigh = height >= HIGH_ROWS;
  const chunks = chunksBlock(view, right, isHigh ? 10 : 8);
  const taken = 1 + angles.length + chunks.length + 2;
  const onLeft = fit(
    [
      ...figures(view, left, isHigh ? CHART_ROWS : 1),
      { rows: engineBlock(view), weight: 40 },
      gap(5),
      ...told(view, left),
    ],
    height,
  );
  const onRight = fit(
    [
      { rows: jointsBlock(view), weight: 58 },
      { rows: angles, weight: 55, least: 6 },
      { rows: armBlock(view, right, Math.min(MOST_ARM_ROWS, height - taken)), weight: 20, least: 99 },
      gap(5),
      { rows: chunks, weight: 45 },
    ],
    height,
  );
  const [a, b] = [onLeft.flat(), onRight.flat()];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [
    ...padRow(clip(a[i] ?? [], left.columns), left.columns + GAP_COLUMNS),
    ...clip(b[i] ?? [], right.columns),
  ]);
}

/** The rows of each block that fit, in the same order. */
function fit(blocks: readonly Block[], height: number): Row[][] {
  const kept = blocks.map(({ rows }) => [...rows]);
  const total = (): number => kept.reduce((sum, rows) => sum + rows.length, 0);
  while (total() > height) {
    const losing = blocks
      .map((block, index) => ({ ...block, index }))
      .filter(({ index }) => kept[index].length > 0)
      .toSorted((a, b) => a.weight - b.weight)[0];
    const rows = kept[losing.index];
    if (rows.length <= (losing.least ?? 1)) rows.length = 0;
    else if (losing.cut === "first") dropFirst(rows);
    else rows.pop();
  }
  return kept;
}

/** The first entry, with the rows that go on with it: those begin with blanks. */
function dropFirst(rows: Row[]): void {
  do rows.shift();
  while (rows.length > 0 && rows[0][0]?.text.trim() === "");
}

function rowsOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { rows }) => sum + rows.length, 0);
}
