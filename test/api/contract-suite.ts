/**
 * Holds a backend to the HTTP contract. One suite for every backend and every way to reach it: it knows nothing but
 * `fetch`. It takes the scene `main` for itself, resets it as it likes and restores its settings at the end.
 */
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  calibrationSchema,
  errorSchema,
  healthSchema,
  jointResponseSchema,
  LIMITS,
  resetResponseSchema,
  sceneResponseSchema,
  scenePatchSchema,
  sceneSettingsSchema,
  type SceneResponse,
} from "../../src/api/schema.ts";
import { nowS } from "../../src/time.ts";
import { poseTests } from "./contract-poses.ts";
import {
  asJson,
  asJsonText,
  callerOf,
  endless,
  formOf,
  picture,
  pngHeader,
  type Caller,
  type Reach,
  type Sent,
} from "./contract-reach.ts";
import { trainingTests } from "./contract-training.ts";

/** Settings that make training cheap. */
const SMALL = { max_gaussians: 300, sh_degree: 0, finish_seconds: 1 };

/**
 * Define the suite. `onLoopback`: the backend listens on a loopback port, so foreign hosts must be refused.
 */
export function contractSuite(
  name: string,
  reach: () => Promise<Reach>,
  options: { readonly onLoopback?: boolean } = {},
): void {
  describe(`contract: ${name}`, () => {
    let open: Reach | undefined;
    let caller: Caller;
    let before: SceneResponse;
    const backend = (): Caller => caller;
    beforeAll(async () => {
      open = await reach();
      caller = callerOf(open);
      before = await caller.ok(sceneResponseSchema, "GET", "/scene");
    });
    beforeEach(async () => {
      await caller.ok(resetResponseSchema, "POST", "/reset");
      await caller.ok(sceneResponseSchema, "PUT", "/scene", { ...settingsOf(before), ...SMALL });
    });
    afterAll(async () => {
      if (open === undefined) return;
      await caller.ok(resetResponseSchema, "POST", "/reset");
      await caller.ok(sceneResponseSchema, "PUT", "/scene", settingsOf(before));
      await open.close();
    });
    routeTests(backend);
    badRequestTests(backend);
    frameTests(backend);
    poseTests(backend);
    sceneTests(backend);
    trainingTests(backend);
    originTests(backend, options.onLoopback === true);
  });
}

/** Holds a backend that was started with `token` to it. `reach` must not add the token itself. */
export function tokenSuite(name: string, reach: () => Promise<Reach>, token: string): void {
  describe(`contract with a token: ${name}`, () => {
    let open: Reach | undefined;
    let caller: Caller;
    beforeAll(async () => {
      open = await reach();
      caller = callerOf(open);
    });
    afterAll(() => open?.close());

    const routes = [
      ["POST", "/upload-frame"],
      ["POST", "/update-joint-angles"],
      ["GET", "/status"],
      ["GET", "/get-ply"],
      ["POST", "/stop-training"],
      ["POST", "/reset"],
      ["GET", "/scene"],
      ["PUT", "/scene"],
      ["GET", "/scene/mask"],
      ["PUT", "/scene/mask"],
      ["DELETE", "/scene/mask"],
      ["GET", "/events"],
      ["GET", "/frames"],
      ["GET", "/calibration"],
      ["GET", "/no-such-route"],
    ] as const;
    it.each(routes)("%s %s is closed without it", async (method, path) => {
      await caller.no("unauthorized", method, path);
    });

    it.each([`Bearer ${token}x`, `Bearer ${token.slice(1)}`, "Bearer ", `Basic ${token}`, token])(
      "%j is not it",
      async (authorization) => {
        const body = await caller.no("unauthorized", "GET", "/status", { headers: { authorization } });
        expect(JSON.stringify(body)).not.toContain(token);
      },
    );

    it("opens with it", async () => {
      const headers = { authorization: `Bearer ${token}` };
      expect((await caller.send("GET", "/status", { headers })).status).toBe(200);
    });

    it("GET /health and OPTIONS are open", async () => {
      await caller.ok(healthSchema, "GET", "/health");
      expect((await caller.send("OPTIONS", "/status")).status).toBeLessThan(400);
    });
  });
}

function settingsOf(scene: SceneResponse): object {
  return sceneSettingsSchema.parse(scene);
}

function routeTests(backend: () => Caller): void {
  describe("routes", () => {
    it("GET /health", async () => {
      const health = await backend().ok(healthSchema, "GET", "/health");
      expect(health.status).toBe("ok");
      expect(health.trainer_ready).toBeTypeOf("boolean");
    });

    it("GET /status of an empty scene", async () => {
      const status = await backend().status();
      expect(status).toMatchObject({
        state: "idle",
        frame_count: 0,
        rejected_count: 0,
        gaussian_count: 0,
        progress: 0,
        chunks_uploaded: 0,
        chunks: [],
        joint_angles: [0, 0, 0, 0, 0, 0],
        joints_age_s: null,
        psnr_holdout: null,
        last_error: null,
      });
      expect(Math.abs(status.updated_at - nowS())).toBeLessThan(3600);
    });

    it("names the same session and boot everywhere", async () => {
      const { session_id, boot_id } = await backend().status();
      const answers = [
        await backend().ok(healthSchema, "GET", "/health"),
        await backend().ok(sceneResponseSchema, "GET", "/scene"),
        await backend().ok(calibrationSchema, "GET", "/calibration"),
        await backend().upload(await picture(1)),
        await backend().ok(jointResponseSchema, "POST", "/update-joint-angles", {
          joint_angles: [0, 0, 0, 0, 0, 0],
        }),
      ];
      for (const answer of answers) expect(answer).toMatchObject({ session_id, boot_id });
      const error = await backend().no("not_found", "GET", "/no-such-route");
      expect(error.session_id).toBe(session_id);
    });

    it("404 for an unknown route, 405 for a wrong method, both in the contract's form", async () => {
      await backend().no("not_found", "GET", "/");
      await backend().no("not_found", "POST", "/upload-frame/more", asJson({}));
      await backend().no("method_not_allowed", "POST", "/status");
      await backend().no("method_not_allowed", "GET", "/upload-frame");
      await backend().no("method_not_allowed", "DELETE", "/scene");
    });

    it("takes the scene's name, and refuses one that cannot be", async () => {
      const named = await backend().send("GET", "/status?scene=main");
      expect(named.status).toBe(200);
      expect(await named.json()).toMatchObject({ session_id: (await backend().status()).session_id });
      for (const scene of ["Main", "a_b", "", "..%2Fx", "x".repeat(33)]) {
        await backend().no("bad_request", "GET", `/status?scene=${scene}`);
      }
    });
  });
}

function badRequestTests(backend: () => Caller): void {
  describe("requests that cannot be understood", () => {
    const zeros = "0,0,0,0,0";
    it.each([
      ["no JSON", "{"],
      ["nothing", ""],
      ["an array", "[0]"],
      ["no joint_angles", "{}"],
      ["five joints", `{"joint_angles": [${zeros}]}`],
      ["seven joints", `{"joint_angles": [${zeros},0,0]}`],
      ["a string", `{"joint_angles": [${zeros},"0"]}`],
      ["null", `{"joint_angles": [${zeros},null]}`],
      ["NaN", `{"joint_angles": [${zeros},NaN]}`],
      ["Infinity", `{"joint_angles": [${zeros},Infinity]}`],
      ["a number that overflows", `{"joint_angles": [${zeros},1e999]}`],
      ["a time that is none", `{"joint_angles": [${zeros},0], "captured_at": "now"}`],
    ])("joint angles: %s", async (_what, text) => {
      await backend().no("bad_request", "POST", "/update-joint-angles", asJsonText(text));
      expect((await backend().status()).joints_age_s).toBeNull();
    });

    it("joint angles beyond 2π: degrees?", async () => {
      const body = { joint_angles: [0, 0, -90, 0, 0, 0] };
      const { error } = await backend().no("bad_request", "POST", "/update-joint-angles", asJson(body));
      expect(`${error.hint}`).toMatch(/degrees/i);
    });

    it.each([
      ["is no JSON", "{"],
      ["is no object", "[]"],
      ["holds NaN", '{"captured_at": NaN}'],
      ["holds five joints", { joint_angles: [0, 0, 0, 0, 0] }],
      ["holds seven joints", { joint_angles: [0, 0, 0, 0, 0, 0, 0] }],
      ["holds null for a joint", { joint_angles: [0, 0, 0, null, 0, 0] }],
      ["holds a string for a joint", { joint_angles: [0, 0, 0, "0", 0, 0] }],
      ["holds a joint that overflows", '{"joint_angles": [0, 0, 0, 1e999, 0, 0]}'],
      ["holds samples of five joints", { captured_at: 1, joint_samples: [[1, [0, 0, 0, 0, 0]]] }],
      ["holds samples without a time", { captured_at: 1, joint_samples: [[[0, 0, 0, 0, 0, 0]]] }],
      ["holds a frame_id that is too long", { frame_id: "x".repeat(LIMITS.frameIdLength + 1) }],
      ["holds an empty frame_id", { frame_id: "" }],
      ["holds a pose of three rows", { camera_to_world: orbitLike(3) }],
      ["holds a pose that scales", { camera_to_world: orbitLike(4, 2) }],
      ["holds a holdout that is no boolean", { holdout: "yes" }],
    ])("meta that %s", async (_what, meta) => {
      await backend().uploadNo("bad_request", await picture(1), meta);
      expect((await backend().status()).frame_count).toBe(0);
    });

    it.each([
      ["joint_angles", { joint_angles: [0, 0, 90, 0, 0, 0] }],
      ["joint_samples", { captured_at: 1, joint_samples: [[1, [0, 0, 90, 0, 0, 0]]] }],
    ])("meta whose %s are in degrees", async (_what, meta) => {
      const { error } = await backend().uploadNo("bad_request", await picture(1), meta);
      expect(`${error.hint}`).toMatch(/degrees/i);
      expect((await backend().status()).frame_count).toBe(0);
    });

    const boundary = { "content-type": "multipart/form-data; boundary=x" };
    const malformed: [string, Sent][] = [
      ["nothing", {}],
      ["JSON", asJson({ file: "a" })],
      ["a form without a boundary", { headers: { "content-type": "multipart/form-data" }, body: "--x--" }],
      [
        "a form that breaks off",
        { headers: boundary, body: '--x\r\ncontent-disposition: form-data; name="fi' },
      ],
      ["a form without a file", { body: withoutFile() }],
      ["a file that is a text field", { body: textFile() }],
    ];
    it.each(malformed)("an upload of %s", async (_what, sent) => {
      await backend().no("bad_request", "POST", "/upload-frame", sent);
    });

    it("finish_seconds that is none", async () => {
      await backend().no("bad_request", "POST", "/stop-training", asJson({ finish_seconds: -1 }));
      expect((await backend().status()).state).toBe("idle");
    });

    it.each(["format=obj", "max_gaussians=0", "max_gaussians=ten", "max_gaussians=1.5"])(
      "GET /get-ply?%s",
      async (query) => {
        await backend().no("bad_request", "GET", `/get-ply?${query}`);
      },
    );
  });

  describe("requests that are too large", () => {
    const tooManyBytes = LIMITS.frameBytes + 8 * 1024 * 1024;
    const form = { "content-type": "multipart/form-data; boundary=x" };

    it("a frame that says so", async () => {
      const headers = { ...form, "content-length": String(tooManyBytes) };
      await backend().no("too_large", "POST", "/upload-frame", { headers, body: endless(tooManyBytes) });
    });

    it("a frame that does not", async () => {
      await backend().no("too_large", "POST", "/upload-frame", {
        headers: form,
        body: endless(tooManyBytes),
      });
    });

    it.each(["says so", "does not"])("a JSON text that %s", async (how) => {
      const bytes = new TextEncoder().encode(`{"pad": "${"x".repeat(LIMITS.jsonBytes)}"}`);
      const body = how === "says so" ? bytes : new Blob([bytes]).stream();
      const headers = { "content-type": "application/json" };
      await backend().no("too_large", "POST", "/update-joint-angles", { headers, body });
    });
  });
}

function frameTests(backend: () => Caller): void {
  describe("POST /upload-frame", () => {
    it.each(["jpeg", "png"] as const)("takes a %s", async (format) => {
      const answer = await backend().upload(await picture(1, format));
      expect(answer).toMatchObject({ success: true, frame_count: 1, duplicate: false });
      expect(answer.frame_id).not.toBe("");
      const frames = await backend().frames();
      expect(frames).toHaveLength(1);
      expect(frames[0]).toMatchObject({ frame_id: answer.frame_id, accepted: true, reason: null });
    });

    it("counts, and keeps what meta says", async () => {
      await backend().upload(await picture(1), { frame_id: "a", captured_at: 1000.5 });
      const second = await backend().upload(await picture(2), { frame_id: "b", captured_at: 1001 });
      expect(second).toMatchObject({ frame_count: 2, frame_id: "b" });
      const [a, b] = await backend().frames();
      expect(a).toMatchObject({ frame_id: "a", captured_at: 1000.5, holdout: false });
      expect(b.index).toBe(a.index + 1);
    });

    it("ignores meta keys it does not know", async () => {
      const form = formOf(await picture(1), { frame_id: "a", from_the_future: 1 });
      expect((await backend().send("POST", "/upload-frame", { body: form })).status).toBe(200);
    });

    it("counts the same frame_id with the same bytes once", async () => {
      const bytes = await picture(1);
      const first = await backend().upload(bytes, { frame_id: "a" });
      const again = await backend().upload(bytes, { frame_id: "a" });
      expect([first.duplicate, again.duplicate]).toEqual([false, true]);
      expect(again.frame_count).toBe(1);
      expect(again.pose_source).toBe(first.pose_source);
    });

    it("counts a frame once that is sent twice at the same time", async () => {
      const bytes = await picture(1);
      const answers = await Promise.all([1, 2, 3].map(() => backend().upload(bytes, { frame_id: "a" })));
      expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
      expect((await backend().status()).frame_count).toBe(1);
    });

    it("refuses the same frame_id with other bytes", async () => {
      await backend().upload(await picture(1), { frame_id: "a" });
      await backend().uploadNo("conflict", await picture(2), { frame_id: "a" });
      expect((await backend().status()).frame_count).toBe(1);
    });

    it("takes the same bytes again when no frame_id says that they are the same frame", async () => {
      const bytes = await picture(1);
      const ids = [await backend().upload(bytes), await backend().upload(bytes)].map((a) => a.frame_id);
      expect(new Set(ids).size).toBe(2);
    });

    it("lists refused frames with their reason, and counts them apart", async () => {
      const whole = await picture(3);
      await backend().upload(await picture(1), { frame_id: "good" });
      await backend().uploadNo("bad_image", whole.subarray(0, whole.length / 2), { frame_id: "torn" });
      await backend().uploadNo("unsupported_media", new TextEncoder().encode("GIF89a, or so"), {
        frame_id: "gif",
      });
      const status = await backend().status();
      expect([status.frame_count, status.rejected_count]).toEqual([1, 2]);
      const refused = (await backend().frames()).filter(({ accepted }) => !accepted);
      expect(refused.map(({ frame_id }) => frame_id).sort()).toEqual(["gif", "torn"]);
      for (const { reason } of refused) expect(reason).toBeTruthy();
      expect(await backend().upload(whole, { frame_id: "torn" })).toMatchObject({ duplicate: false });
    });

    it("refuses what is neither JPEG nor PNG by its bytes", async () => {
      await backend().uploadNo("unsupported_media", new Uint8Array(0));
      await backend().uploadNo("unsupported_media", new TextEncoder().encode("I am a text file"));
    });

    it("refuses a picture that is broken or too large, by its header", async () => {
      const png = await picture(1, "png");
      await backend().uploadNo("bad_image", png.subarray(0, png.length - 30));
      await backend().uploadNo("bad_image", pngHeader(0, 0));
      await backend().uploadNo("bad_image", pngHeader(LIMITS.imageSide + 1, 1));
      await backend().uploadNo("bad_image", pngHeader(9000, 9000));
    });

    it("counts a held-out frame, and never trains on it", async () => {
      const answer = await backend().upload(await picture(1), { frame_id: "h", holdout: true });
      expect(answer.frame_count).toBe(1);
      expect((await backend().frames())[0]).toMatchObject({ holdout: true, accepted: true });
      expect(await backend().status()).toMatchObject({ step: 0, gaussian_count: 0, frame_count: 1 });
    });
  });

  describe("POST /update-joint-angles", () => {
    it("answers with the angles, and shows them in the status", async () => {
      const joint_angles = [0.1, -0.2, 0.3, -0.4, 0.5, 2 * Math.PI];
      const body = { joint_angles, captured_at: nowS() };
      const answer = await backend().ok(jointResponseSchema, "POST", "/update-joint-angles", body);
      expect(answer.joint_angles).toEqual(joint_angles);
      const status = await backend().status();
      expect(status.joint_angles).toEqual(joint_angles);
      expect(status.joints_age_s).toBeGreaterThanOrEqual(0);
    });
  });
}

function sceneTests(backend: () => Caller): void {
  describe("/scene", () => {
    const put = (patch: unknown) => backend().ok(sceneResponseSchema, "PUT", "/scene", patch);
    const get = () => backend().ok(sceneResponseSchema, "GET", "/scene");

    it("changes what is given and nothing else, and /reset keeps it", async () => {
      const before = await get();
      const patch = {
        camera: { model: "OPENCV", w: 320, h: 240, fl_x: 300, fl_y: 300, cx: 160, cy: 120, k1: 0.1 },
        refine: { poses: true },
        bounds: { min_m: [-1, -1, 0], max_m: [1, 1, 1] },
        joint_zero_offsets_rad: [0.01, 0, 0, 0, 0],
        clock_offset_s: 0.02,
        background: "white",
        holdout_every: 8,
      };
      const expected = {
        ...settingsOf(before),
        ...patch,
        camera: { ...patch.camera, k2: 0, p1: 0, p2: 0 },
        refine: { ...before.refine, poses: true },
      };
      expect(settingsOf(await put(patch))).toEqual(expected);
      await backend().ok(resetResponseSchema, "POST", "/reset");
      expect(settingsOf(await get())).toEqual(expected);
    });

    it("an empty patch changes nothing", async () => {
      const before = await get();
      expect(settingsOf(await put({}))).toEqual(settingsOf(before));
    });

    it.each([
      ["an unknown key", { max_gausians: 1000 }],
      ["a value out of range", { sh_degree: 4 }],
      ["bounds inside out", { bounds: { min_m: [1, 0, 0], max_m: [0, 1, 1] } }],
      ["a camera without its size", { camera: { model: "PINHOLE", fl_x: 1, fl_y: 1, cx: 0, cy: 0 } }],
      ["a rotation of zero", { camera_mount: mount([0, 0, 0, 0]) }],
      ["four zero offsets", { joint_zero_offsets_rad: [0, 0, 0, 0] }],
    ])("refuses %s, and changes nothing", async (_what, patch) => {
      const before = await get();
      const body = { ...patch, background: "white" };
      expect(scenePatchSchema.safeParse(body).success).toBe(false);
      await backend().no("bad_request", "PUT", "/scene", asJson(body));
      expect(settingsOf(await get())).toEqual(settingsOf(before));
    });

    it("GET /calibration gives each estimate beside its prior", async () => {
      const calibration = await backend().ok(calibrationSchema, "GET", "/calibration");
      expect(calibration.joint_zero_offsets_rad.prior).toHaveLength(5);
      expect(calibration.joint_zero_offsets_rad.estimate).toHaveLength(5);
    });
  });

  describe("/scene/mask", () => {
    const put = (body: Uint8Array): Sent => ({ headers: { "content-type": "image/png" }, body });

    it("is put, shown and deleted", async () => {
      const mask = await picture(5, "png");
      expect((await backend().send("PUT", "/scene/mask", put(mask))).status).toBe(200);
      const shown = await backend().send("GET", "/scene/mask");
      expect([shown.status, shown.headers.get("content-type")]).toEqual([200, "image/png"]);
      expect(new Uint8Array(await shown.arrayBuffer()).subarray(1, 4)).toEqual(mask.subarray(1, 4));
      expect((await backend().send("DELETE", "/scene/mask")).status).toBe(200);
      expect((await backend().send("GET", "/scene/mask")).status).toBe(204);
    });

    it("must be a PNG that decodes", async () => {
      const png = await picture(5, "png");
      await backend().no("unsupported_media", "PUT", "/scene/mask", put(await picture(5)));
      await backend().no("bad_image", "PUT", "/scene/mask", put(png.subarray(0, png.length / 2)));
    });
  });
}

function originTests(backend: () => Caller, onLoopback: boolean): void {
  describe("browsers", () => {
    const headers = { origin: "https://foreign.example" };

    it("403 for an origin that is not allowed", async () => {
      await backend().no("forbidden_origin", "GET", "/status", { headers });
      await backend().no("forbidden_origin", "POST", "/reset", { headers });
    });

    it("no CORS headers for it, nor for somebody who is no browser", async () => {
      const answers = [
        await backend().send("GET", "/status"),
        await backend().send("GET", "/status", { headers }),
        await backend().send("OPTIONS", "/status", {
          headers: { ...headers, "access-control-request-method": "GET" },
        }),
      ];
      for (const { headers: got } of answers) {
        expect(got.get("access-control-allow-origin")).toBeNull();
        expect(got.get("access-control-allow-credentials")).toBeNull();
      }
    });

    it("403 for a foreign Host", async (context) => {
      context.skip(!onLoopback, "only a backend on loopback knows what it is called");
      const [status, text] = await withHost(`${backend().baseUrl}/status`, "foreign.example");
      expect(status).toBe(403);
      expect(errorSchema.parse(JSON.parse(text)).error.code).toBe("forbidden_origin");
    });
  });
}

function withHost(url: string, host: string): Promise<[status: number | undefined, body: string]> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(url, { headers: { host } }, (response) => {
      let text = "";
      response.on("data", (piece: Buffer) => (text += piece.toString()));
      response.on("end", () => resolve([response.statusCode, text]));
    });
    call.on("error", reject).end();
  });
}

function orbitLike(rows: number, scale = 1): number[][] {
  const identity = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? (i < 3 ? scale : 1) : 0)));
  return identity.slice(0, rows);
}

function mount(rotation_wxyz: number[]): object {
  return { parent: "gripper_link", translation_m: [0, 0, 0], rotation_wxyz };
}

function withoutFile(): FormData {
  const form = new FormData();
  form.set("meta", "{}");
  return form;
}

function textFile(): FormData {
  const form = new FormData();
  form.set("file", "just text");
  return form;
}
