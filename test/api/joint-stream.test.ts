import type { RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { openJointStream, type JointStream } from "../../src/api/joint-stream.ts";
import type { SplatError } from "../../src/errors.ts";
import { nobody, serveHttp, serveTcp } from "../helpers/loopback.ts";
import { IDENTITY, answer, no } from "./answers.ts";

const ANGLES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function stream(url: string, options: { token?: string; timeoutMs?: number } = {}): JointStream {
  const opened = openJointStream({ url, ...options });
  closing.push(() => opened.close());
  return opened;
}

async function against(listener: RequestListener, options = {}): Promise<JointStream> {
  const server = await serveHttp(listener);
  closing.push(() => server.close());
  return stream(server.url, options);
}

async function failure(promise: Promise<unknown>): Promise<SplatError> {
  return await promise.then(
    () => Promise.reject(new Error("it went well")),
    (error: SplatError) => error,
  );
}

describe("a stream of joints", () => {
  it("sends the contract's body, with the token, over connections that stay", async () => {
    const bodies: unknown[] = [];
    const ports = new Set<unknown>();
    const joints = await against(
      (request, response) => {
        let text = "";
        request.on("data", (piece: Buffer) => (text += piece.toString()));
        request.on("end", () => {
          ports.add(request.socket.remotePort);
          bodies.push([request.method, request.url, request.headers.authorization, JSON.parse(text)]);
          answer(response, 200, { ...IDENTITY, success: true, joint_angles: ANGLES });
        });
      },
      { token: "a-token" },
    );
    for (let captured_at = 1; captured_at <= 20; captured_at++)
      await joints.updateJoints({ joint_angles: ANGLES, captured_at });
    expect(ports.size).toBeLessThanOrEqual(2);
    expect(bodies[2]).toEqual([
      "POST",
      "/update-joint-angles",
      "Bearer a-token",
      { joint_angles: ANGLES, captured_at: 3 },
    ]);
  });

  it("keeps the path of the backend's URL", async () => {
    let asked: string | undefined;
    const server = await serveHttp((request, response) => {
      asked = request.url;
      answer(response, 200, { ...IDENTITY, success: true, joint_angles: ANGLES });
    });
    closing.push(() => server.close());
    await stream(`${server.url}/base/`).updateJoints({ joint_angles: ANGLES });
    expect(asked).toBe("/base/update-joint-angles");
  });

  it("says no as every other call does", async () => {
    const joints = await against((_request, response) =>
      answer(response, 400, no("bad_request", "joint 2 is 90", "degrees?")),
    );
    const error = await failure(joints.updateJoints({ joint_angles: ANGLES }));
    expect(error).toMatchObject({ code: "refused", hint: "degrees?", refusal: { status: 400 } });
    expect(error.message).toContain("joint 2 is 90");
  });

  it("never repeats the token, whoever echoes it", async () => {
    const joints = await against(
      (request, response) => answer(response, 500, no("internal", String(request.headers.authorization))),
      { token: "a-token" },
    );
    const error = await failure(joints.updateJoints({ joint_angles: ANGLES }));
    expect(error.message).not.toContain("a-token");
  });

  it("tells a stranger from a backend", async () => {
    const joints = await against((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<p>welcome</p>");
    });
    const error = await failure(joints.updateJoints({ joint_angles: ANGLES }));
    expect(error).toMatchObject({ code: "refused", refusal: undefined });
  });

  it("says that nothing answers, or nothing more", async () => {
    const gone = await failure(stream(await nobody()).updateJoints({ joint_angles: ANGLES }));
    expect(gone).toMatchObject({ code: "unreachable" });
    expect(gone.message).toContain("connection refused");
    const mute = await serveTcp(() => undefined);
    closing.push(() => mute.close());
    const silent = await failure(stream(mute.url, { timeoutMs: 300 }).updateJoints({ joint_angles: ANGLES }));
    expect(silent).toMatchObject({ code: "unreachable" });
    expect(silent.message).toContain("said nothing");
  });
});
