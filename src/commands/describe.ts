/** Contract objects in words, for a terminal. */
import type { Chunk, Status } from "../api/schema.ts";

/** The state of a scene in about ten aligned lines. */
export function describeStatus(status: Status): string {
  const { engine, latency_ms: latency } = status;
  const psnr = [
    `train ${decibels(status.psnr_train)}`,
    status.psnr_holdout === null ? "" : `held out ${decibels(status.psnr_holdout)}`,
  ];
  return align([
    ["state", `${status.state}, ${percent(status.progress)}`],
    ["frames", `${count(status.frame_count)} taken, ${count(status.rejected_count)} rejected`],
    ["gaussians", `${count(status.gaussian_count)} (version ${status.version})`],
    ["steps", `${count(status.step)}, ${status.steps_per_second.toFixed(1)} a second`],
    ["psnr", psnr.filter((part) => part !== "").join(", ")],
    [
      "latency",
      `accepted ${latencyOf(latency.accepted.p50)}, trained ${latencyOf(latency.trained.p50)} (median)`,
    ],
    ["chunks", chunksOf(status)],
    ["joints", status.joints_age_s === null ? "none received" : `${status.joints_age_s.toFixed(1)} s old`],
    ["engine", `${engine.name} on ${engine.device}, ${engine.threads} threads`],
    ["session", status.session_id],
    ...status.warnings.map((warning): Row => ["warning", warning]),
    ...(status.last_error === null ? [] : [["error", status.last_error] as const]),
  ]);
}

/** How far training is, on one line. */
export function describeProgress(status: Status): string {
  const { state, progress, frame_count, step, gaussian_count } = status;
  return `${state} ${percent(progress)}: ${count(frame_count)} frames, ${count(step)} steps, ${count(gaussian_count)} Gaussians`;
}

/** One line per chunk, and where it lies. */
export function describeChunks(chunks: readonly Chunk[]): string {
  return align(
    chunks.map((chunk) => [
      chunk.name,
      `frames ${chunk.first_frame}–${chunk.last_frame}, ${count(chunk.gaussian_count)} Gaussians, ` +
        `${bytes(chunk.bytes)}, ${chunk.url ?? chunk.key}`,
    ]),
  );
}

/** A size for people, decimal units: 1.2 MB. */
export function bytes(sizeBytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(sizeBytes, 1)) / 3), units.length - 1);
  return `${(sizeBytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A count with thin groups of three: 12 345. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** A length of time in its two largest units: 2 d 3 h. */
export function duration(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, sizeS]) => seconds >= sizeS);
  if (first < 0) return "0 s";
  const parts = units.slice(first, first + 2).map(([unit, sizeS], i) => {
    const above = i === 0 ? Infinity : units[first][1];
    return `${Math.floor((seconds % above) / sizeS)} ${unit}`;
  });
  return parts.join(" ");
}

/** Those on their way to a bucket are told apart. */
function chunksOf({ chunks, chunks_uploaded: uploaded }: Status): string {
  const onTheirWay = chunks.length - uploaded;
  return `${count(uploaded)} written${onTheirWay > 0 ? `, ${count(onTheirWay)} waiting for the bucket` : ""}`;
}

/** Never rounded up to 100. */
function percent(share: number): string {
  return `${Math.floor(share * 100)}%`;
}

type Row = readonly [label: string, value: string];

function align(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n");
}

function decibels(psnr: number | null): string {
  return psnr === null ? "–" : `${psnr.toFixed(1)} dB`;
}

/** Pictures taken long before they were sent have latencies of hours. */
function latencyOf(latencyMs: number | null): string {
  if (latencyMs === null) return "–";
  if (latencyMs < 10_000) return `${Math.round(latencyMs)} ms`;
  const minutes = latencyMs / 60_000;
  return minutes < 2 ? `${Math.round(latencyMs / 1000)} s` : `${Math.round(minutes)} min`;
}
