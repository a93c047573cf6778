/** The parts of the screen: each some rows about one thing, as wide as they are told. */
import type { Chunk, SceneState, Status } from "../api/schema.ts";
import { bytes, count, decibels, percent } from "../quantities.ts";
import { bar, chart } from "./dashboard-graph.ts";
import {
  clip,
  foreign,
  padRow,
  span,
  spread,
  widthOf,
  wrap,
  type Row,
  type Style,
} from "./dashboard-text.ts";
import type { View } from "./dashboard-view.ts";
import { age, clock, latency, leftOut } from "./dashboard-words.ts";

/** What the rows are made for. */
export interface Width {
  readonly columns: number;
  readonly isUnicode: boolean;
}

const LABEL_COLUMNS = 11;
const GAP = span("   ");

/** A row with what it is about before it. */
export function labelled(label: string, ...rest: Row): Row {
  return [span(label.padEnd(LABEL_COLUMNS), "dim"), ...rest];
}

const STATES: Readonly<Record<SceneState, readonly [sign: string, style: Style]>> = {
  idle: ["○", "plain"],
  training: ["▶", "good"],
  finishing: ["◐", "good"],
  complete: ["✓", "good"],
  failed: ["✗", "bad"],
};

/** Who is asked, and whether it answers. */
export function headBlock(view: View, { columns }: Width): Row[] {
  const { url, scene, link, startingS, seenMs, status, nowMs } = view;
  const where = scene === "main" ? foreign(url) : `${foreign(url)} scene ${foreign(scene)}`;
  const left = [span("splatctl", "bold"), span("  "), span(where)];
  const seen = status === null ? "" : `, shown: ${age((nowMs - seenMs) / 1000)} old`;
  const right: Record<typeof link.kind, () => Row> = {
    asking: () => [span("asking")],
    live: () => [span("live", "good")],
    away: () => [span("no answer", "bad"), span(seen)],
    asleep: () => [span("asleep", "warn"), span(seen)],
  };
  const starting = startingS === null ? null : [span(`starting GPU, ${startingS} s`, "warn")];
  return [spread(left, starting ?? right[link.kind](), columns)];
}

/** How far it is, and whether the capture is paused. */
export function stateBlock(view: View, { columns }: Width): Row[] {
  const { status, local } = view;
  const paused = local.capture?.paused === true ? [span("PAUSED ", "warn")] : [];
  if (status === null) return [[...paused, span("waiting for the first answer", "dim")]];
  const [sign, style] = STATES[status.state];
  const head = [span(`${sign} ${status.state}`.padEnd(LABEL_COLUMNS), style), ...paused];
  const tail = [span(` ${percent(status.progress)}`)];
  const room = Math.min(40, columns - widthOf(head) - widthOf(tail));
  const middle = room >= 6 ? [span(bar(status.progress, room), "graph")] : [];
  return [[...head, ...middle, ...tail]];
}

/** What happened to the link, in a sentence; nothing while all is well. */
export function linkBlock({ link, local, ending }: View, { columns }: Width): Row[] {
  const said: [string, Style][] = [];
  if (ending !== null) said.push([ending, "warn"]);
  if (link.kind === "away") said.push([`${foreign(link.why)}; asking again until it answers`, "bad"]);
  if (link.kind === "asleep") said.push(["asks no more so that the GPU can stop; Enter asks again", "warn"]);
  const waiting = local.capture?.waiting ?? null;
  if (waiting !== null && link.kind !== "away") said.push([`capture waits: ${foreign(waiting)}`, "warn"]);
  return said.flatMap(([text, style]) => wrap(text, columns, 2).map((line) => [span(line, style)]));
}

/** A question, what is being done, or what came of the last key. */
export function answerBlock({ question, doing, said }: View, { columns }: Width): Row[] {
  if (question !== null) {
    const lines = wrap(question, columns - 7, 2).map((line): Row => [span(line, "bold")]);
    return [...lines.slice(0, -1), [...(lines.at(-1) ?? []), span("  y / n", "warn")]];
  }
  if (doing !== null) return [[span(foreign(doing))]];
  if (said === null) return [];
  return wrap(foreign(said.text), columns, 2).map((text) => [span(text, said.isBad ? "bad" : "good")]);
}

/** Here and there. Where there is little room, what is 0 goes without saying. */
export function framesBlock({ status, local: { capture } }: View, { columns }: Width): Row[] {
  const parts = [
    ...(status === null ? [] : [[status.frame_count, "accepted", false] as const]),
    ...(capture === null ? [] : [[capture.queued, "queued", false] as const]),
    ...(capture === null ? [] : [[capture.failed, "failed", true] as const]),
    ...(status === null ? [] : [[status.rejected_count, "rejected", true] as const]),
  ];
  const cells = (told: typeof parts) =>
    told.map(([number, word, isBad]) =>
      span(`${count(number)} ${word}`, isBad && number > 0 ? "bad" : "plain"),
    );
  const whole = flow("frames", cells(parts), columns);
  return whole.length === 1
    ? whole
    : flow("frames", cells(parts.filter(([number], i) => i === 0 || number > 0)), columns);
}

/** Cells beside a label, in as many rows as they need. */
function flow(label: string, cells: Row, columns: number): Row[] {
  const rows = [labelled(label)];
  for (const cell of cells) {
    const last = rows[rows.length - 1];
    const longer = last.length === 1 ? [...last, cell] : [...last, GAP, cell];
    if (last.length === 1 || widthOf(longer) <= columns) rows[rows.length - 1] = longer;
    else rows.push(labelled("", cell));
  }
  return rows;
}

/** What became of a camera's pictures. */
export function gateBlock({ local: { capture } }: View): Row[] {
  if (capture === null || capture.gate === null) return [];
  const { seen, kept } = capture.gate;
  const told = leftOut(capture.gate).map(([number, word]) => `${count(number)} ${word}`);
  return [
    labelled(
      "camera",
      span(`${count(kept)} kept of ${count(seen)}`),
      ...(told.length === 0 ? [] : [span(`  (${told.join(", ")})`)]),
    ),
  ];
}

export function trainingBlock({ status }: View): Row[] {
  if (status === null) return [];
  return [
    labelled(
      "Gaussians",
      span(count(status.gaussian_count), "bold"),
      GAP,
      span(`${count(status.step)} steps`),
      GAP,
      span(`${status.steps_per_second.toFixed(1)}/s`),
    ),
  ];
}

/** Both, each with what it was since the start, drawn `rows` high. */
export function psnrBlock(view: View, { columns, isUnicode }: Width, rows = 1): Row[] {
  const { status, psnrTrain, psnrHeldOut } = view;
  if (status === null) return [];
  const room = Math.max(0, Math.min(rows > 1 ? 60 : 40, columns - LABEL_COLUMNS - 11));
  const drawing = (label: string, last: number | null, values: readonly number[]): Row[] => {
    const drawn = room < 4 || values.length < 2 ? [""] : chart(values, room, rows, isUnicode);
    return drawn.map((line, i) =>
      labelled(
        i === 0 ? label : "",
        span((i === 0 ? decibels(last) : "").padEnd(9), "bold"),
        ...(line === "" ? [] : [span(line, "graph")]),
      ),
    );
  };
  const heldOut = status.psnr_holdout === null && psnrHeldOut.length === 0;
  return [
    ...drawing("PSNR train", status.psnr_train, psnrTrain),
    ...(heldOut ? [] : drawing("held out", status.psnr_holdout, psnrHeldOut)),
  ];
}

/** From the shutter on. */
export function latencyBlock({ status }: View, { columns }: Width): Row[] {
  if (status === null) return [];
  const { accepted, trained } = status.latency_ms;
  const both = (of: typeof accepted): string =>
    of.p50 === null ? "–" : `${latency(of.p50)} (p95 ${latency(of.p95)})`;
  const long = labelled("latency", span(`shutter → accepted ${both(accepted)} → trained ${both(trained)}`));
  if (widthOf(long) <= columns) return [long];
  const short = labelled("latency", span(`${both(accepted)} → trained ${both(trained)}`));
  if (widthOf(short) <= columns) return [short];
  return [labelled("latency", span(`${latency(accepted.p50)} → trained ${latency(trained.p50)}`))];
}

/** How many there are, and the newest by name, as many as `most`. */
export function chunksBlock({ status }: View, { columns }: Width, most = 8): Row[] {
  if (status === null) return [];
  const { chunks, chunks_uploaded: uploaded } = status;
  const waiting = chunks.length - uploaded;
  const words = `${count(uploaded)} written${waiting > 0 ? `, ${count(waiting)} waiting for the bucket` : ""}`;
  const newest = chunks.slice(-most).toReversed();
  return [
    labelled("chunks", span(words, waiting > 0 ? "warn" : "plain")),
    ...newest.map((chunk) => chunkRow(chunk, status, columns)),
  ];
}

function chunkRow(chunk: Chunk, { chunks, chunks_uploaded: uploaded }: Status, columns: number): Row {
  const isWaiting = chunks.indexOf(chunk) >= uploaded;
  const frames = columns >= 52 ? `  frames ${chunk.first_frame}–${chunk.last_frame}` : "";
  const many = columns >= 76 ? `  ${count(chunk.gaussian_count)} Gaussians` : "";
  return [
    span(`  ${foreign(chunk.name)}`),
    span(`${frames}${many}  ${bytes(chunk.bytes)}`, "dim"),
    ...(isWaiting ? [span("  waiting", "warn")] : []),
  ];
}

export function engineBlock({ status }: View): Row[] {
  if (status === null) return [];
  const { engine, memory_bytes: memory } = status;
  const words = `${foreign(engine.name)} on ${foreign(engine.device)}, ${engine.threads} threads`;
  return [labelled("engine", span(words), GAP, span(`${bytes(memory)} memory`))];
}

/** What the backend warns of now. */
export function warningsBlock({ status }: View, { columns }: Width): Row[] {
  if (status === null) return [];
  const error = status.last_error === null ? [] : [["✗ ", status.last_error, "bad"] as const];
  const warnings = status.warnings.map((text) => ["! ", text, "warn"] as const);
  return [...error, ...warnings].flatMap(([sign, text, style]) =>
    wrap(foreign(text), columns - 2, 2).map((line, i) => [
      span(i === 0 ? sign : "  ", style),
      span(line, style),
    ]),
  );
}

/** The last things told, the newest last: from the `from`-th newest to the `to`-th. What the backend warns of stands elsewhere. */
export function notesBlock(
  { notes, status }: View,
  { columns }: Width,
  { from, to }: { readonly from: number; readonly to: number },
): Row[] {
  const told = notes.filter(({ text }) => status?.warnings.includes(text) !== true);
  return told
    .slice(Math.max(0, told.length - from), Math.max(0, told.length - to))
    .flatMap(({ atMs, text, isWarning }) => {
      const indent = 9;
      return wrap(foreign(text), columns - indent, 2).map((line, i) => [
        span((i === 0 ? clock(atMs) : "").padEnd(indent), "dim"),
        span(line, isWarning ? "warn" : "plain"),
      ]);
    });
}

/** Which keys there are. */
export function keysBlock({ ending, quitWord, local }: View, { columns }: Width): Row[] {
  if (ending !== null) return [[span("Ctrl-C", "bold"), span(" ends at once")]];
  const pause = local.capture?.paused === true ? "resume" : "pause";
  const keys = [
    ["p", pause],
    ["s", "stop"],
    ["g", "pull"],
    ["o", "open"],
    ["?", "help"],
    ["q", quitWord],
  ] as const;
  const row = keys.flatMap(([key, word]) => [span(key, "bold"), span(` ${word}  `, "dim")]);
  if (widthOf(row) <= columns + 2) return [clip(row, columns + 2)];
  return [keys.flatMap(([key]) => [span(key, "bold"), span(" ")])];
}

/** What each key does, and what the figures are. */
export function helpBlock({ quitWord }: View, width: Width): Row[] {
  const keys = [
    ["p", "pause the capture, or let it go on (a daemon on this machine)"],
    ["s", "stop training: finish the scene and write the last chunk (asks first)"],
    ["g", "pull the scene as it is now into scene.ply in this folder"],
    ["o", "pull it to a temporary place and open it with this system's program"],
    ["q", `${quitWord}, as Ctrl-C does`],
    ["?", "this help; any key goes back"],
  ] as const;
  const words = [
    ["queued", "taken, on this machine's disk, not accepted yet"],
    ["failed", "set aside for good: see splatctl queue ls"],
    ["rejected", "refused by the backend"],
    ["held out", "PSNR of pictures that are never trained on"],
    ["latency", "from the shutter, median and 95th percentile"],
  ] as const;
  const rows = (list: readonly (readonly [string, string])[], columns: number): Row[] =>
    list.flatMap(([word, does]) =>
      wrap(does, width.columns - columns, 3).map((line, i) => [
        ...padRow([span(i === 0 ? word : "", "bold")], columns),
        span(line),
      ]),
    );
  return [...rows(keys, 4), [], ...rows(words, LABEL_COLUMNS)];
}
