import { expect, test } from "vitest";
import { openJointRoad } from "../../src/daemon/joint-road.ts";

test("what is said of an address holds no secret of it", async () => {
  const url = "http://bob:hunter2@127.0.0.1:9/joints?token=s3cret";
  const { from, source, parse } = await openJointRoad({ source: "http", url }, {});
  expect(from).toBe("127.0.0.1:9/joints");
  expect(source).not.toBeNull();
  expect(parse).toBeNull();
});

test("without an address joints are pushed, in units that are said where they must be", async () => {
  const { source, parse } = await openJointRoad({ source: "http", units: "deg" }, {});
  expect(source).toBeNull();
  const body = Object.fromEntries(
    ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"].map((name) => [
      `${name}.pos`,
      name === "shoulder_pan" ? 90 : 0,
    ]),
  );
  expect(parse?.(body).anglesRad[0]).toBeCloseTo(Math.PI / 2, 12);
  await expect(openJointRoad({ source: "lerobot" }, {})).rejects.toThrow(/units/);
  const missing = { source: "http", units: "norm", robotId: "nobody" } as const;
  await expect(openJointRoad(missing, { HF_HOME: "/nonexistent" })).rejects.toThrow(/nobody/);
});
