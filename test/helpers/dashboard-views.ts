/** What a dashboard may have to show, made up. */
import type { Status } from "../../src/api/schema.ts";
import type { LocalCapture, LocalRelay, View } from "../../src/tui/dashboard-view.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 12, 0, 0);

/** A status of a scene that trains. */
export function statusOf(more: Partial<Status> = {}): Status {
  const chunks = Array.from({ length: 3 }, (_, i) => ({
    name: `chunk_000${i + 1}.ply`,
    index: i + 1,
    first_frame: 50 * i + 1,
    last_frame: 50 * i + 50,
    gaussian_count: 12_345 * (i + 1),
    bytes: 5_800_000 * (i + 1),
    sha256: "0".repeat(64),
    key: `scenes/main/s/chunk_000${i + 1}.ply`,
    url: null,
    created_at: 0,
  }));
  return {
    session_id: "s",
    boot_id: "b",
    state: "training",
    frame_count: 1234,
    rejected_count: 2,
    gaussian_count: 38_000,
    step: 34_567,
    steps_per_second: 41.25,
    progress: 0.47,
    psnr_train: 27.34,
    psnr_holdout: 25.9,
    latency_ms: { accepted: { p50: 34, p95: 60 }, trained: { p50: 812, p95: 1234 } },
    durable_through: 1200,
    chunks_uploaded: 2,
    chunks,
    joint_angles: [0.2, -0.6, 0.8, 0.9, 0, 0.3],
    joints_age_s: 0.04,
    version: 77,
    engine: { name: "splatctl", device: "cpu", threads: 2 },
    memory_bytes: 412_000_000,
    warnings: [],
    last_error: null,
    updated_at: NOW_MS / 1000,
    ...more,
  };
}

/** A daemon's capture from a camera. */
export const CAPTURE: LocalCapture = {
  daemon: "main",
  accepted: 1200,
  queued: 3,
  failed: 1,
  paused: false,
  waiting: null,
  gate: {
    seen: 12_400,
    kept: 1240,
    blurred: 8010,
    exposure: 120,
    duplicate: 900,
    still: 1900,
    surplus: 230,
    damaged: 7,
  },
};

export const RELAY: LocalRelay = {
  from: "serial /dev/ttyACM0",
  perSecond: 98.4,
  jointAngles: [0.2, -0.6, 0.8, 0.9, 0, 0.3],
  silentS: 0.01,
  trouble: null,
};

/** All that can be known of a scene that trains. */
export function viewOf(more: Partial<View> = {}): View {
  return {
    url: "http://127.0.0.1:7860",
    scene: "main",
    link: { kind: "live" },
    startingS: null,
    status: statusOf(),
    seenMs: NOW_MS,
    local: { capture: CAPTURE, relay: RELAY },
    psnrTrain: Array.from({ length: 300 }, (_, i) => 10 + Math.sqrt(i)),
    psnrHeldOut: Array.from({ length: 300 }, (_, i) => 9 + Math.sqrt(i)),
    notes: [{ atMs: NOW_MS, text: "the backend answers again", isWarning: false }],
    question: null,
    doing: null,
    said: null,
    isHelp: false,
    ending: null,
    quitWord: "quit",
    nowMs: NOW_MS + 500,
    ...more,
  };
}
