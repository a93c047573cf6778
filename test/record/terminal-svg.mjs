/**
 * A recorded terminal as one SVG that plays by itself: every screen lies beside the one before on a strip, and CSS moves the
 * strip from one to the next; a row that is seen again is drawn once. Lines, blocks and braille are drawn, and text is held
 * to its cells, so that columns align in any font. Where motion is not wanted, or not known, the last screen stands.
 */

const CELL = { width: 8.4, height: 18, fontPx: 14 };
/** From a row's top to the line that its letters stand on, which is where a row has its origin. */
const BASE = 13.5;
const MARGIN = { x: 14, top: 40, bottom: 12 };
/** The sixteen colours of a terminal, in tones that are readable on the window's own dark ground. */
const PALETTE = [
  ["#6e7681", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#c9d1d9"],
  ["#8b949e", "#ffa198", "#aff5b4", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#f0f6fc"],
].flat();
const INK = "#d6dde4";
const GROUND = "#0d1117";
/** Screens nearer than this on film are one, unless a single row has changed: typing is seen letter by letter. */
const LEAST_MS = 300;

/** The rows of the emulator's screen, each as cells {text, fg, bg, names}; colours are CSS or null, names of classes. */
export function readScreen(emulator) {
  const buffer = emulator.buffer.active;
  return Array.from({ length: emulator.rows }, (_, row) => {
    const line = buffer.getLine(buffer.baseY + row);
    return Array.from({ length: emulator.cols }, (__, x) => readCell(line?.getCell(x)));
  });
}

function readCell(cell) {
  if (cell === undefined) return { text: " ", fg: null, bg: null, names: "" };
  const [fg, bg] = [colourOf(cell, "Fg"), colourOf(cell, "Bg")];
  const isInverse = cell.isInverse() !== 0;
  return {
    // The second half of a wide character has no text of its own.
    text: cell.getChars() || (cell.getWidth() === 0 ? "" : " "),
    fg: isInverse ? (bg ?? GROUND) : fg,
    bg: isInverse ? (fg ?? INK) : bg,
    names: [cell.isBold() ? "b" : "", cell.isDim() ? "d" : "", cell.isUnderline() ? "u" : ""].join(""),
  };
}

function colourOf(cell, side) {
  if (cell[`is${side}Default`]()) return null;
  const colour = cell[`get${side}Color`]();
  if (cell[`is${side}RGB`]()) return `#${colour.toString(16).padStart(6, "0")}`;
  if (colour < 16) return PALETTE[colour];
  if (colour >= 232)
    return `rgb(${Array(3)
      .fill(8 + 10 * (colour - 232))
      .join()})`;
  const level = (value) => (value === 0 ? 0 : 55 + 40 * value);
  const at = colour - 16;
  return `rgb(${[Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map(level).join()})`;
}

/**
 * The SVG of screens `{atMs, rows}` in order, the last shown for `holdMs`. Times are the recording's; `speed` plays faster.
 */
export function toSvg(screens, { columns, rows, title, description, holdMs = 4000, speed = 1 }) {
  const shown = thinned(screens.map(({ atMs, rows: cells }) => ({ atMs: atMs / speed, rows: cells })));
  const inside = round(columns * CELL.width);
  const width = round(2 * MARGIN.x + inside);
  const height = MARGIN.top + rows * CELL.height + MARGIN.bottom;
  const totalMs = shown.at(-1).atMs + holdMs;
  const shapes = new Map();
  const strip = shown.map((screen, i) => drawScreen(screen, i * inside, shapes)).join("\n");
  const at = (i) => `{transform:translateX(-${round(i * inside)}px)}`;
  const steps = shown
    .map(({ atMs }, i) => `${i === 0 ? 0 : round((100 * atMs) / totalMs)}%${at(i)}`)
    .join("");
  const last = at(shown.length - 1);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">
<title id="t">${escape(title)}</title><desc id="d">${escape(description)}</desc>
<style>text{font:${CELL.fontPx}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${INK};white-space:pre}.b,.bd,.bu,.bdu{font-weight:600}.d,.bd,.du,.bdu{opacity:.65}.u,.bu,.du,.bdu{text-decoration:underline}path{fill:none}
${PALETTE.map((colour, i) => `text.c${i}{fill:${colour}}`).join("")}
.s${last}.s{animation:s ${round(totalMs / 1000)}s step-end infinite}
@keyframes s{${steps}100%${last}}
@media (prefers-reduced-motion:reduce){.s{animation:none}}</style>
<defs><clipPath id="w"><rect width="${inside}" height="${rows * CELL.height}"/></clipPath>
${[...shapes].map(([drawn, id]) => `<g id="${id}">${drawn}</g>`).join("\n")}</defs>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8" fill="${GROUND}" stroke="#30363d"/>
<circle cx="20" cy="18" r="5.5" fill="#ff5f57"/><circle cx="38" cy="18" r="5.5" fill="#febc2e"/><circle cx="56" cy="18" r="5.5" fill="#28c840"/>
<g transform="translate(${MARGIN.x} ${MARGIN.top})" clip-path="url(#w)"><g class="s">
${strip}
</g></g>
</svg>
`;
}

/** Of screens that follow one another too fast the later. */
function thinned(screens) {
  const kept = [];
  for (const screen of screens) {
    const before = kept.at(-1);
    const keys = screen.rows.map((row) => JSON.stringify(row));
    const isTooSoon = before !== undefined && screen.atMs - before.atMs < LEAST_MS;
    const isOneRow = keys.filter((key, row) => key !== before?.keys[row]).length <= 1;
    if (isTooSoon && !isOneRow) kept.pop();
    kept.push({ ...screen, atMs: isTooSoon && !isOneRow ? before.atMs : screen.atMs, keys });
  }
  return kept;
}

function drawScreen({ rows }, x, shapes) {
  const uses = rows.map((cells, row) => {
    const drawn = drawRow(cells);
    if (drawn === "") return "";
    if (!shapes.has(drawn)) shapes.set(drawn, `r${shapes.size.toString(36)}`);
    return `<use href="#${shapes.get(drawn)}" y="${row * CELL.height + BASE}"/>`;
  });
  return `<g transform="translate(${round(x)})">${uses.join("")}</g>`;
}

/** Grounds first, then what stands on them. */
function drawRow(cells) {
  const [grounds, signs] = [[], []];
  for (let from = 0, to; from < cells.length; from = to) {
    to = from + 1;
    while (to < cells.length && isSameStyle(cells[from], cells[to])) to++;
    const { bg } = cells[from];
    if (bg !== null) grounds.push(rect(from, 0, to - from, 1, bg));
    signs.push(...drawRun(cells, from, to));
  }
  return [...grounds, ...signs].join("");
}

/** Cells of one style: stretches of the same drawn line or block, of ASCII, and of other signs, each held to its cells. */
function drawRun(cells, from, to) {
  const { fg, names } = cells[from];
  const parts = [];
  for (let x = from, end; x < to; x = end) {
    const { text } = cells[x];
    end = x + 1;
    if (text.trim() === "") continue;
    if (isDrawn(text)) {
      const isBar = isLowerBlock(text);
      while (end < to && (isBar ? isLowerBlock(cells[end].text) : text === "─" && cells[end].text === "─"))
        end++;
      const drawn = isBar ? bars(cells, x, end, fg ?? INK) : drawSign(text, x, end, fg ?? INK);
      parts.push(names.includes("d") ? `<g class="d">${drawn}</g>` : drawn);
      continue;
    }
    while (end < to && belongs(cells, end, isAscii(text))) end++;
    const said = cells
      .slice(x, end)
      .map((cell) => cell.text)
      .join("");
    const colour = PALETTE.indexOf(fg);
    const classes = [names, colour < 0 ? "" : `c${colour}`].filter((name) => name !== "").join(" ");
    parts.push(
      `<text x="${place(x)}" textLength="${place(end - x)}"`,
      classes === "" ? "" : ` class="${classes}"`,
      fg === null || colour >= 0 ? "" : ` style="fill:${fg}"`,
      `>${escape(said)}</text>`,
    );
  }
  return parts;
}

/** Whether a cell goes on with a text. A gap ends it: what a viewer's font gets wrong then does not add up. */
function belongs(cells, x, wantsAscii) {
  const { text } = cells[x];
  const isGap = text === " " && (cells[x + 1]?.text ?? " ").trim() === "";
  return !isGap && !isDrawn(text) && isAscii(text) === wantsAscii;
}

const LINES = {
  "─": (left, _, right) => `M${left}-4.5H${right}`,
  "│": (_, middle) => `M${middle}-13.5v18`,
  "╭": (_, middle, right) => `M${right}-4.5Q${middle}-4.5 ${middle} 4.5`,
  "╮": (left, middle) => `M${left}-4.5Q${middle}-4.5 ${middle} 4.5`,
  "╰": (_, middle, right) => `M${right}-4.5Q${middle}-4.5 ${middle}-13.5`,
  "╯": (left, middle) => `M${left}-4.5Q${middle}-4.5 ${middle}-13.5`,
  "┌": (_, middle, right) => `M${right}-4.5H${middle}v9`,
  "┐": (left, middle) => `M${left}-4.5H${middle}v9`,
  "└": (_, middle, right) => `M${right}-4.5H${middle}v-9`,
  "┘": (left, middle) => `M${left}-4.5H${middle}v-9`,
  "├": (_, middle, right) => `M${middle}-13.5v18M${middle}-4.5H${right}`,
  "┤": (left, middle) => `M${middle}-13.5v18M${middle}-4.5H${left}`,
};

/** Lines, corners, blocks, shades, braille, and the dot that stands on a line. */
function isDrawn(text) {
  const code = text.codePointAt(0) ?? 0;
  return (
    LINES[text] !== undefined || text === "●" || (code >= 0x2580 && code <= 0x2593) || code >> 8 === 0x28
  );
}

/** A sign that fonts draw each in their own way, over its cells. */
function drawSign(text, x, end, colour) {
  const code = text.codePointAt(0) ?? 0;
  const line = LINES[text]?.(place(x), place(x + 0.5), place(end));
  if (line !== undefined) return `<path d="${line}" stroke="${colour}"/>`;
  if (text === "●") return `<circle cx="${place(x + 0.5)}" cy="-4.5" r="3.8" fill="${colour}"/>`;
  if (code >> 8 === 0x28) return braille(x, code & 255, colour);
  if (code === 0x2580) return rect(x, 0, 1, 0.5, colour);
  if (code <= 0x258f) return rect(x, 0, (0x2590 - code) / 8, 1, colour);
  if (code === 0x2590) return rect(x + 0.5, 0, 0.5, 1, colour);
  return rect(x, 0, 1, 1, colour, (code - 0x2590) / 4);
}

/** Blocks that stand on the row's ground, as in a graph; neighbours of the same height are one. */
function bars(cells, from, to, colour) {
  const drawn = [];
  for (let x = from, end; x < to; x = end) {
    end = x + 1;
    while (end < to && cells[end].text === cells[x].text) end++;
    const high = round(((cells[x].text.codePointAt(0) - 0x2580) / 8) * CELL.height);
    drawn.push(`M${place(x)} ${CELL.height - BASE}v-${high}h${place(end - x)}v${high}z`);
  }
  return `<path d="${drawn.join("")}" style="fill:${colour}"/>`;
}

function isLowerBlock(text) {
  return text >= "\u2581" && text <= "\u2588";
}

/** Dots in the order of Unicode's bits: three down on the left, three on the right, then the fourth row. */
function braille(x, bits, colour) {
  const places = [0, 1, 2, 4, 5, 6, 3, 7].filter((_, bit) => (bits >> bit) & 1);
  const dots = places.map((at) => `M${place(x + 0.28 + 0.45 * (at >> 2))} ${round(4.3 * (at & 3) - 10.9)}h0`);
  return `<path d="${dots.join("")}" stroke="${colour}" stroke-width="2.1" stroke-linecap="round"/>`;
}

/** Of a row's cells: columns from the left, shares of the height from the top. */
function rect(x, y, width, height, colour, opacity) {
  const shade = opacity === undefined ? "" : ` opacity="${opacity}"`;
  const top = round(y * CELL.height - BASE);
  return `<rect x="${place(x)}" y="${top}" width="${place(width)}" height="${round(height * CELL.height)}" fill="${colour}"${shade}/>`;
}

function isSameStyle(a, b) {
  return a.fg === b.fg && a.bg === b.bg && a.names === b.names;
}

function isAscii(text) {
  return /^[\u0020-\u007e]*$/.test(text);
}

function place(x) {
  return round(x * CELL.width);
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
