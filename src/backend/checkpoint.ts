/**
 * A checkpoint as bytes: the trainer whole, the newest joint readings, and the session's own record beside them. All
 * numbers little-endian:
 *
 *   0         8 bytes    "SPLATCKP"
 *   8         uint32     version
 *   12        uint32     length of the header, H
 *   16        H bytes    JSON, padded with spaces to a multiple of 8; its `arrays` say what follows, in order
 *   16 + H               the arrays, raw, one after the other
 *   size − 4  uint32     CRC-32 of all before it
 *
 * A reader passes over keys and arrays that it does not know, so a later release may add some under the same version
 * (refined poses, say); the version rises when an older reader would go wrong. Where frames were taken from is not here:
 * that follows from their records and the settings.
 */
import { crc32 } from "node:zlib";
import { z } from "zod";
import { jointAnglesSchema } from "../api/schema.ts";
import { SplatError } from "../errors.ts";
import { allocateGaussians, type Gaussians, type ShDegree } from "../splat/gaussians.ts";
import type { TrainerState } from "../trainer/state.ts";
import type { JointReading } from "../robot/joint-history.ts";
import { savedSessionSchema, type SavedSession } from "./saved-session.ts";

export interface Checkpoint {
  /** The session as it was then. */
  readonly session: SavedSession;
  readonly trainer: TrainerState;
  /** Of the last seconds, in time order: later frames may fall between them and what comes next. */
  readonly joints: readonly JointReading[];
}

const MAGIC = "SPLATCKP";
const VERSION = 1;
/** Magic, version, length of the header. */
const LEAD_BYTES = 16;
const CRC_BYTES = 4;
const ALIGN = 8;
/** Written and hashed at a time, so that other work on this thread goes on between. */
const SLICE_BYTES = 1 << 20;

const count = z.int().nonnegative();

/** Log gain and bias of three channels each. */
const exposureNumbers = z.array(z.number()).length(6);

const headerSchema = z.object({
  session: savedSessionSchema,
  joints: z.array(z.object({ time_s: z.number(), angles_rad: jointAnglesSchema })),
  trainer: z.object({
    gaussian_count: count,
    sh_degree: z.int().min(0).max(3),
    step: count,
    refine_from: count,
    least_degree: z.int().min(0).max(3),
    random_state: count,
    done: z.boolean(),
    finish: z
      .object({
        steps_made: count,
        steps: count.nullable(),
        elapsed_s: z.number(),
        duration_s: z.number().nullable(),
      })
      .nullable(),
    frames: z.array(
      z.object({
        index: z.int().positive(),
        steps: count,
        psnr: z.number().nullable(),
        seeded: z.boolean(),
        // Not in files of earlier releases.
        held: z.boolean().optional(),
      }),
    ),
    // Not in files of earlier releases.
    exposures: z
      .array(
        z.object({
          index: z.int().positive(),
          steps: count,
          values: exposureNumbers,
          moments1: exposureNumbers,
          moments2: exposureNumbers,
        }),
      )
      .default([]),
  }),
  arrays: z.array(z.object({ name: z.string(), type: z.literal("float32"), length: count })),
});

type Header = z.infer<typeof headerSchema>;

const SETS = ["gaussians", "moments1", "moments2"] as const;
const GROUPS = ["means", "logScales", "quats", "opacities", "sh"] as const;

/** The bytes, in pieces of at most 1 MiB. */
export function* encodeCheckpoint(checkpoint: Checkpoint): Generator<Uint8Array> {
  const arrays = namedArrays(checkpoint.trainer);
  const table = arrays.map(({ name, values }) => ({ name, type: "float32" as const, length: values.length }));
  const lead = leadOf({ ...headerOf(checkpoint), arrays: table });
  let sum = crc32(lead);
  yield lead;
  for (const { values } of arrays) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      const slice = bytes.subarray(at, at + SLICE_BYTES);
      sum = crc32(slice, sum);
      yield slice;
    }
  }
  const end = Buffer.alloc(CRC_BYTES);
  end.writeUInt32LE(sum);
  yield end;
}

/**
 * Read a checkpoint. Throws `bad_input` for whatever is not one, whole and of a version this program knows; `isNewer`
 * tells the last from the others.
 */
export function decodeCheckpoint(file: Uint8Array): Checkpoint {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const version = versionOf(bytes);
  if (version > VERSION) throw new SplatError("bad_input", newerMessage(version));
  const end = bytes.length - CRC_BYTES;
  if (version !== VERSION || end < LEAD_BYTES || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
    throw damaged("it is cut short or its checksum is wrong");
  }
  const bodyAt = LEAD_BYTES + bytes.readUInt32LE(12);
  if (bodyAt > end) throw damaged("its header is longer than the file");
  const header = parseHeader(bytes.toString("utf8", LEAD_BYTES, bodyAt));
  const trainer = trainerOf(header, bytes.subarray(bodyAt, end));
  const joints = header.joints.map(({ time_s, angles_rad }) => ({ timeS: time_s, anglesRad: angles_rad }));
  return { session: header.session, trainer, joints };
}

/** Whether this is a checkpoint of a later release, so nothing is wrong with it but the reader's age. */
export function isNewer(file: Uint8Array): boolean {
  return versionOf(Buffer.from(file.buffer, file.byteOffset, file.byteLength)) > VERSION;
}

/** 0 when it is no checkpoint. */
function versionOf(bytes: Buffer): number {
  if (bytes.length < LEAD_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) return 0;
  return bytes.readUInt32LE(8);
}

function newerMessage(version: number): string {
  return `it was written by a newer splatctl (format ${version}, this one reads up to ${VERSION})`;
}

function damaged(why: string): SplatError {
  return new SplatError("bad_input", why);
}

function namedArrays(trainer: TrainerState): { name: string; values: Float32Array }[] {
  return SETS.flatMap((set) =>
    GROUPS.map((group) => ({ name: `${set}.${group}`, values: trainer[set][group] })),
  );
}

function headerOf({ session, trainer, joints }: Checkpoint): Omit<Header, "arrays"> {
  const { finish } = trainer;
  return {
    session,
    joints: joints.map(({ timeS, anglesRad }) => ({ time_s: timeS, angles_rad: [...anglesRad] })),
    trainer: {
      gaussian_count: trainer.gaussians.count,
      sh_degree: trainer.gaussians.shDegree,
      step: trainer.step,
      refine_from: trainer.refineFrom,
      least_degree: trainer.leastDegree,
      random_state: trainer.randomState,
      done: trainer.done,
      finish: finish && {
        steps_made: finish.stepsMade,
        steps: finish.steps,
        elapsed_s: finish.elapsedS,
        duration_s: finish.durationS,
      },
      frames: [...trainer.frames],
      exposures: trainer.exposures.map(({ values, moments1, moments2, ...rest }) => ({
        ...rest,
        values: [...values],
        moments1: [...moments1],
        moments2: [...moments2],
      })),
    },
  };
}

/** Everything before the arrays. */
function leadOf(header: Header): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / ALIGN) * ALIGN;
  const lead = Buffer.alloc(LEAD_BYTES + padded, " ");
  lead.write(MAGIC, "latin1");
  lead.writeUInt32LE(VERSION, 8);
  lead.writeUInt32LE(padded, 12);
  json.copy(lead, LEAD_BYTES);
  return lead;
}

function parseHeader(text: string): Header {
  try {
    return headerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new SplatError("bad_input", "its header does not say what this version needs", { cause: error });
  }
}

function trainerOf({ trainer, arrays }: Header, body: Buffer): TrainerState {
  const places = new Map<string, Buffer>();
  let at = 0;
  for (const { name, length } of arrays) {
    places.set(name, body.subarray(at, at + length * 4));
    at += length * 4;
  }
  if (at !== body.length) throw damaged("its arrays are not as long as its header says");
  const { finish } = trainer;
  return {
    gaussians: gaussiansOf("gaussians", trainer, places),
    moments1: gaussiansOf("moments1", trainer, places),
    moments2: gaussiansOf("moments2", trainer, places),
    step: trainer.step,
    refineFrom: trainer.refine_from,
    leastDegree: trainer.least_degree,
    randomState: trainer.random_state,
    done: trainer.done,
    finish: finish && {
      stepsMade: finish.steps_made,
      steps: finish.steps,
      elapsedS: finish.elapsed_s,
      durationS: finish.duration_s,
    },
    frames: trainer.frames,
    exposures: trainer.exposures,
  };
}

/** Copies out of the file, each in memory of its own: they are handed to other threads one by one. */
function gaussiansOf(
  set: (typeof SETS)[number],
  { gaussian_count, sh_degree }: Header["trainer"],
  places: ReadonlyMap<string, Buffer>,
): Gaussians {
  const sources = GROUPS.map((group) => places.get(`${set}.${group}`));
  const bytes = sources.reduce((sum, source) => sum + (source?.length ?? 0), 0);
  // Compared before anything is allocated: a count is believed only when its bytes are there.
  const perGaussian = 4 * (11 + 3 * (sh_degree + 1) ** 2);
  if (bytes !== gaussian_count * perGaussian) throw damaged(`its ${set} are not as many as its header says`);
  const gaussians = allocateGaussians(gaussian_count, sh_degree as ShDegree);
  GROUPS.forEach((group, i) => {
    const source = sources[i];
    const target = gaussians[group];
    if (source?.length !== target.byteLength)
      throw damaged(`its array ${set}.${group} is missing or too short`);
    new Uint8Array(target.buffer).set(source);
  });
  return gaussians;
}
