/** The embedded backend as a function: every route of the contract, from Request to Response. */
import { Hono, type MiddlewareHandler } from "hono";
import {
  jointUpdateSchema,
  LIMITS,
  sceneNameSchema,
  scenePatchSchema,
  stopRequestSchema,
} from "../api/schema.ts";
import { addRefusals, errorResponse } from "../http/answers.ts";
import { readBody, readJson } from "../http/body.ts";
import { guardOrigin, guardToken, type GuardOptions, type ServerWords } from "../http/guard.ts";
import { sleep } from "../time.ts";
import { readFrameForm } from "./frame-form.ts";
import { refuse } from "../http/refuse.ts";
import type { Scene } from "./scene.ts";
import { splatResponse } from "./splat-response.ts";
import { calibrationOf, sceneOf } from "./status.ts";

export interface AppDeps extends GuardOptions {
  readonly scene: Scene;
  /** How long POST /stop-training waits for the end before it answers `complete: false`. Default 18 000. */
  readonly stopAnswerMs?: number | undefined;
}

/** The contract gives 20 s; the rest is for the way there and back. */
const STOP_ANSWER_MS = 18_000;

const WORDS: ServerWords = {
  name: "this backend",
  originHint: "Add it to SPLAT_CORS_ORIGINS and start the backend again.",
};

/** The app; `.fetch` is the backend as `(Request) => Promise<Response>`. */
export function createApp(deps: AppDeps): Hono {
  const { scene } = deps;
  const app = new Hono();
  app.onError((error, context) =>
    errorResponse(context, error, { ...WORDS, identity: identity(scene), log: scene.log }),
  );
  app.use(guardOrigin(deps, WORDS), guardToken(deps.token, WORDS), checkScene(scene));
  addCaptureRoutes(app, deps);
  addReadRoutes(app, scene);
  addSettingsRoutes(app, scene);
  addRefusals(app);
  return app;
}

function addCaptureRoutes(app: Hono, { scene, stopAnswerMs = STOP_ANSWER_MS }: AppDeps): void {
  app.post("/upload-frame", async (context) => {
    const { bytes, meta } = await readFrameForm(context.req.raw);
    const { session } = scene;
    const { frame, duplicate } = await session.upload(bytes, meta);
    return context.json({
      ...identity(scene),
      session_id: session.id,
      success: true,
      frame_count: session.frames.count,
      chunks_uploaded: session.chunks.uploadedCount,
      frame_id: frame.frameId,
      duplicate,
      pose_source: frame.poseSource,
      joints_age_s: frame.jointsAgeS,
    });
  });
  app.post("/update-joint-angles", async (context) => {
    const { joint_angles, captured_at } = await readJson(context.req.raw, jointUpdateSchema);
    scene.session.updateJoints(joint_angles, captured_at);
    return context.json({ ...identity(scene), success: true, joint_angles });
  });
  app.post("/stop-training", async (context) => {
    const { finish_seconds } = await readJson(context.req.raw, stopRequestSchema);
    const { session } = scene;
    const answered = new AbortController();
    const waiting = AbortSignal.any([answered.signal, session.closing]);
    const timeUp = sleep(stopAnswerMs, waiting).catch(() => undefined);
    await Promise.race([session.stop(finish_seconds), timeUp]).finally(() => answered.abort());
    const complete = session.state === "complete";
    return context.json({ ...identity(scene), success: true, chunks: session.chunks.shown, complete });
  });
  app.post("/reset", async (context) => {
    await scene.reset();
    return context.json({ ...identity(scene), success: true });
  });
}

function addReadRoutes(app: Hono, scene: Scene): void {
  app.get("/health", (context) => {
    const isFailed = scene.session.state === "failed";
    return context.json({
      ...identity(scene),
      status: isFailed ? "failed" : "ok",
      trainer_ready: !isFailed,
    });
  });
  app.get("/status", (context) => context.json(scene.status()));
  app.get("/get-ply", (context) =>
    splatResponse(scene.session, context.req.query(), context.req.header("if-none-match")),
  );
  app.get("/events", () => {
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    return new Response(scene.live.stream(), { headers });
  });
  app.get("/frames", (context) =>
    context.json({ ...identity(scene), frames: scene.session.frames.records() }),
  );
  app.get("/calibration", (context) => context.json({ ...calibrationOf(scene.session), ...identity(scene) }));
}

function addSettingsRoutes(app: Hono, scene: Scene): void {
  app.get("/scene", (context) => context.json({ ...sceneOf(scene.session), ...identity(scene) }));
  app.put("/scene", async (context) => {
    const patch = await readJson(context.req.raw, scenePatchSchema);
    await scene.session.patch(patch);
    return context.json({ ...sceneOf(scene.session), ...identity(scene) });
  });
  app.get("/scene/mask", (context) => {
    const png = scene.session.maskPng;
    if (png === null) return context.body(null, 204);
    return context.body(png as Uint8Array<ArrayBuffer>, 200, { "content-type": "image/png" });
  });
  app.put("/scene/mask", async (context) => {
    await scene.session.setMask(await readBody(context.req.raw, LIMITS.frameBytes));
    return context.json({ ...identity(scene), success: true });
  });
  app.delete("/scene/mask", async (context) => {
    await scene.session.setMask(null);
    return context.json({ ...identity(scene), success: true });
  });
}

/** Every route takes `?scene=`; this backend holds one. */
function checkScene(scene: Scene): MiddlewareHandler {
  return async (context, next) => {
    const name = context.req.query("scene") ?? scene.name;
    if (!sceneNameSchema.safeParse(name).success) {
      throw refuse("bad_request", "a scene's name is 1 to 32 of a-z, 0-9 and -");
    }
    if (name !== scene.name) {
      throw refuse("not_found", `this backend holds one scene: ${scene.name}`);
    }
    await next();
  };
}

function identity(scene: Scene): { session_id: string; boot_id: string } {
  return { session_id: scene.sessionId, boot_id: scene.bootId };
}
