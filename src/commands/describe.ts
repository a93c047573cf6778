/** Contract objects in words, for a terminal. */
import type { Chunk, Status } from "../api/schema.ts";
import { printable } from "../printable.ts";
import { bytes, count, decibels, percent } from "../quantities.ts";

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

/** Those on their way to a bucket are told apart. */
function chunksOf({ chunks, chunks_uploaded: uploaded }: Status): string {
  const onTheirWay = chunks.length - uploaded;
  return `${count(uploaded)} written${onTheirWay > 0 ? `, ${count(onTheirWay)} waiting for the bucket` : ""}`;
}

type Row = readonly [label: string, value: string];

function align(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${printable(value)}`).join("\n");
}

/** Pictures taken long before they were sent have latencies of hours. */
function latencyOf(latencyMs: number | null): string {
  if (latencyMs === null) return "–";
  if (latencyMs < 10_000) return `${Math.round(latencyMs)} ms`;
  const minutes = latencyMs / 60_000;
  return minutes < 2 ? `${Math.round(latencyMs / 1000)} s` : `${Math.round(minutes)} min`;
}
