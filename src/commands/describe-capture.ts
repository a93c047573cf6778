/** A capture in words, for a terminal and for scripts. */
import type { GateCounts } from "../capture/frame-gate.ts";
import type { CaptureCounts, CaptureSummary } from "../daemon/capture-tally.ts";
import { leftOut } from "../tui/dashboard-words.ts";

/** Rejected files named in the summary; the rest is counted. */
const NAMED = 10;

const FOLDER_EARLY = "interrupted before the whole folder was taken: run it again to go on";
const CAMERA_EARLY = "interrupted before the end of the video: what came after it was not taken";
const FOLDER_EMPTY = "no *.jpg, *.jpeg or *.png was there (--recursive looks into sub-folders)";

/** How far a capture is, on one line. */
export function describeCounts(counts: CaptureCounts): string {
  const waiting = counts.waiting === null ? "" : ` (waiting: ${counts.waiting})`;
  return `${counts.paused ? "paused, " : ""}${tally(counts)}${waiting}`;
}

/** What became of a capture's frames, the first rejected ones by name. */
export function describeSummary(summary: CaptureSummary): string {
  const { accepted, duplicates, rejected, unsent, skipped, reasons, seconds, framesPerSecond } = summary;
  const rate = seconds > 0 ? ` in ${seconds.toFixed(1)} s (${framesPerSecond.toFixed(1)} frames/s)` : "";
  const named = reasons.slice(0, NAMED).map(({ name, reason }) => `  ${name}: ${reason}`);
  const more = reasons.length > NAMED ? [`  and ${reasons.length - NAMED} more`] : [];
  const isCamera = summary.gate !== null;
  const early = summary.complete ? [] : [isCamera ? CAMERA_EARLY : FOLDER_EARLY];
  const isEmpty = accepted + duplicates + rejected + unsent + skipped + (summary.gate?.seen ?? 0) === 0;
  const empty = isEmpty ? [isCamera ? "no picture came from the camera" : FOLDER_EMPTY] : [];
  return [`${tally(summary)}${rate}`, ...named, ...more, ...kept(summary), ...early, ...empty].join("\n");
}

/** What the spool still holds, and what becomes of it. */
function kept({ unsent, notDurable, spool }: CaptureSummary): string[] {
  const waiting = `${unsent} wait in ${spool}: the next capture of the same goes on with them`;
  const unsure = `${notDurable} are accepted but in no checkpoint yet: kept until they are`;
  return [...(unsent > 0 ? [waiting] : []), ...(notDurable > 0 ? [unsure] : [])];
}

/** The summary as `--json` prints it. */
export function summaryJson(
  summary: CaptureSummary,
  { url, sceneName: scene }: { readonly url: string; readonly sceneName: string },
): object {
  const { accepted, duplicates, rejected, unsent, skipped, reasons, seconds, framesPerSecond } = summary;
  const { resent, notDurable, spool, gate, camera } = summary;
  return {
    success: rejected === 0 && unsent === 0 && summary.complete,
    url,
    scene,
    sent: accepted,
    duplicates,
    rejected,
    unsent,
    resent,
    not_durable: notDurable,
    skipped,
    spool,
    reasons,
    seconds,
    frames_per_second: framesPerSecond,
    ...(gate === null ? {} : { gate }),
    ...(camera === undefined ? {} : { camera }),
  };
}

function tally(counts: CaptureCounts): string {
  const { accepted, duplicates, resent, rejected, unsent, skipped, gate, camera } = counts;
  const parts = [
    [duplicates, "sent before"],
    [resent, "sent again"],
    [rejected, "rejected"],
    [unsent, "not sent"],
    [skipped, "not in the data set"],
  ] as const;
  const others = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const sent = [`${accepted} sent`, ...others].join(", ");
  return gate === null ? sent : `${seen(gate, camera)}; ${sent}`;
}

/** What a camera showed, and what of it was worth sending. */
function seen(gate: GateCounts, camera: CaptureCounts["camera"]): string {
  const left = leftOut(gate).map(([count, word]) => `${word} ${count}`);
  const missed = camera === undefined || camera.dropped === 0 ? "" : `, missed ${camera.dropped}`;
  return `seen ${gate.seen}, kept ${gate.kept}${left.length === 0 ? "" : ` (${left.join(", ")})`}${missed}`;
}
