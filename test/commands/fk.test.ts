import { describe, expect, it, test } from "vitest";
import { armPose, type ArmPose } from "../../src/commands/arm-pose.ts";
import { describeArmPose } from "../../src/commands/describe-arm-pose.ts";
import { cameraJacobian, cameraToWorld, gripperPose } from "../../src/robot/kinematics.ts";
import { cameraMountNamed } from "../../src/robot/camera-mounts.ts";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import { runCli } from "../helpers/run-cli.ts";

const mount = "integrated-32x32";
const ANGLES = [0.3, -0.4, 0.5, 0.25, -0.6, 0.8];

async function fk(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const ran = await runCli(["fk", ...args]);
  return { ...ran, stdout: ran.stdout.toString() };
}

describe("splatctl fk", () => {
  it("prints the pose at zero", async () => {
    const { code, stdout, stderr } = await fk("0,0,0,0,0,0");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^gripper_link\n {2}position +293\.2 +-0\.2 +234\.4$/m);
    expect(stdout).toMatch(/^gripper_frame_link\n {2}position +391\.4 +0\.0 +226\.5$/m);
    expect(stdout).toMatch(/^camera\n {2}position +294\.5 +-69\.7 +233\.5$/m);
    expect(stdout).toMatch(/looks +1\.2° up, and never meets the table/);
    expect(stdout).toMatch(/integrated-32x32: a starting guess/);
  });

  it("prints matrices as JSON, for a first angle below zero too", async () => {
    const typed = "-0.4,-0.4,0.5,0.25,-0.6,0.8";
    const { code, stdout } = await fk(typed, "--json");
    expect(code).toBe(0);
    const printed = JSON.parse(stdout) as ArmPose;
    const joints = typed.split(",").map(Number);
    expect(printed.joint_angles).toEqual(joints);
    expect(printed.gripper_link.flat()).toEqual(gripperPose(joints));
    expect(printed.camera_to_world?.flat()).toEqual(cameraToWorld(joints, DEFAULT_CAMERA_MOUNT));
    expect(printed.jacobian.camera?.flat()).toEqual(cameraJacobian(joints, DEFAULT_CAMERA_MOUNT));
    expect(printed.jacobian.camera).toHaveLength(6);
    expect(printed.camera_mount).toMatchObject({ name: mount, side: "-y", ...DEFAULT_CAMERA_MOUNT });
    expect(JSON.parse((await fk("--json", "--", typed)).stdout)).toEqual(printed);
    const spaced = await fk(...typed.split(","), "--json");
    expect(JSON.parse(spaced.stdout)).toEqual(printed);
  });

  it("warns on stderr of angles beyond the joints' limits, and prints all the same", async () => {
    const { code, stdout, stderr } = await fk("0,1.8,0,0,0,0");
    expect([code, stdout === ""]).toEqual([0, false]);
    expect(stderr).toMatch(/shoulder_lift 1\.800 rad is beyond its limits, -1\.75 to 1\.75/);
  });

  it("refuses what is no option of its own", async () => {
    const { code, stdout, stderr } = await fk("0,0,0,0,0", "--degres");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("unknown option '--degres'");
  });

  it("answers a usage error in JSON when asked to", async () => {
    const { code, stdout } = await fk("90,0,0,0,0,0", "--json");
    expect(code).toBe(2);
    expect(JSON.stringify(JSON.parse(stdout))).toMatch(/shoulder_pan 90 rad.*degrees\?/);
  });
});

describe("armPose", () => {
  it("takes degrees, for angles and zeros alike", () => {
    const zeros = "1,-2,0.5,0,3";
    const typed = ANGLES.map((angle) => (angle * 180) / Math.PI).join(",");
    const pose = armPose([typed], { degrees: true, mount, zeros });
    const zerosRad = zeros.split(",").map((zero) => (Number(zero) * Math.PI) / 180);
    const wanted = gripperPose(ANGLES, zerosRad);
    pose.gripper_link.flat().forEach((value, i) => expect(value).toBeCloseTo(wanted[i], 12));
  });

  it("takes five angles: the gripper moves nothing that is printed", () => {
    const [five, six] = [ANGLES.slice(0, 5), ANGLES].map((angles) => armPose([angles.join(",")], { mount }));
    expect(five).toEqual({ ...six, joint_angles: [...ANGLES.slice(0, 5), 0] });
  });

  it("says where the camera's view meets the table", () => {
    const pose = armPose(["0,0.2,-0.2,1.2,0"], { mount });
    const camera = pose.camera_to_world ?? [];
    const spot = pose.looks_at_m ?? [];
    expect(spot[2]).toBe(0);
    const toSpot = [0, 1, 2].map((i) => spot[i] - camera[i][3]);
    const away = Math.hypot(...toSpot);
    toSpot.forEach((value, i) => expect(value / away).toBeCloseTo(-camera[i][2], 12));
    expect(describeArmPose(pose)).toMatch(/looks +\d+\.\d° down, at the table \(z = 0\) in x \d/);
  });

  it("knows other mounts, and none", () => {
    const menagerie = armPose(["0,0,0,0,0,0"], { mount: "menagerie" });
    const wanted = cameraToWorld([0, 0, 0, 0, 0], cameraMountNamed("menagerie").mount);
    expect(menagerie.camera_to_world?.flat()).toEqual(wanted);
    const none = armPose(["0,0,0,0,0,0"], { mount: "none" });
    expect(none).toMatchObject({ camera_to_world: null, camera_mount: null, looks_at_m: null });
    expect(describeArmPose(none)).not.toContain("camera");
  });

  it("counts the zero offset to the limit", () => {
    const warnings = armPose(["1.9,0,0,0,0,-0.3"], { mount, zeros: "0.1,0,0,0,0" }).warnings;
    expect(warnings).toHaveLength(2);
    expect(warnings.join()).toMatch(/shoulder_pan 2\.000.*gripper -0\.300/);
  });
});

test.each<[string, string[], Parameters<typeof armPose>[1], RegExp]>([
  ["four angles", ["0,0,0,0"], { mount }, /4 numbers, 5 or 6 wanted/],
  ["seven angles", ["0,0,0,0,0,0,0"], { mount }, /7 numbers, 5 or 6 wanted/],
  ["NaN", ["0,0,NaN,0,0"], { mount }, /"NaN" is not a number/],
  ["Infinity", ["0,0,1e999,0,0"], { mount }, /"1e999" is not a number/],
  ["words", ["a,b"], { mount }, /"a" is not a number/],
  ["a hole", ["0,,0,0,0"], { mount }, /"" is not a number/],
  ["nothing", [""], { mount }, /"" is not a number/],
  ["degrees", ["0,0,-45,0,0,0"], { mount }, /elbow_flex -45 rad is beyond a full turn/],
  ["more than a turn", ["0,0,0,0,361"], { mount, degrees: true }, /wrist_roll 361° is beyond a full turn/],
  ["six zeros", ["0,0,0,0,0"], { mount, zeros: "0,0,0,0,0,0" }, /--zeros: 6 numbers, 5 wanted/],
  ["zeros in degrees", ["0,0,0,0,0"], { mount, zeros: "0,10,0,0,0" }, /--zeros: shoulder_lift 10 rad/],
  ["an unknown mount", ["0,0,0,0,0"], { mount: "d405" }, /no camera mount is called "d405"/],
])("refuses %s", (_, typed, flags, message) => {
  expect(() => armPose(typed, flags)).toThrow(
    expect.objectContaining({ code: "usage", message: expect.stringMatching(message) as string }),
  );
});
