import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { armChecks } from "../../src/doctor/arm.ts";
import { cameraChecks } from "../../src/doctor/cameras.ts";
import type { DeviceAccess } from "../../src/doctor/context.ts";
import { SplatError } from "../../src/errors.ts";
import { MACHINE_PORTS } from "../../src/robot/serial-connect.ts";
import { listArmPorts } from "../../src/robot/serial-ports.ts";
import { createServoBus, type ServoBus } from "../../src/sim/servo-bus.ts";
import type { ServoFault } from "../../src/sim/servo-faults.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { STILL } from "../helpers/arm-run.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { adapter, simulatedPort } from "../helpers/simulated-port.ts";
import { doctorDesk, linesOf, type Desk } from "./doctor-desk.ts";

const CLOSED: DeviceAccess = { mayOpen: false, group: "plugdev", isListed: false };

async function armDesk(...faults: readonly ServoFault[]): Promise<{ desk: Desk; bus: ServoBus }> {
  const bus = createServoBus({ ticksAt: () => STILL, faults: faults.map((fault) => [fault, {}] as const) });
  return { bus, desk: await doctorDesk({ system: { ports: simulatedPort(bus) } }) };
}

it("reads a whole arm over a real tty, and writes nothing to it", async (context) => {
  const pair = await ptyPairFor(context);
  const bus = createServoBus({ ticksAt: () => STILL });
  const served = await serveServoBus(bus, pair.a);
  context.onTestFinished(() => served.close());
  const ports = { ...MACHINE_PORTS, list: () => Promise.resolve([adapter(pair.b)]) };
  const lines = await linesOf(armChecks, await doctorDesk({ system: { ports } }));
  expect(lines).toEqual([
    `  ✓ ${pair.b} (USB 1a86:55d3)`,
    expect.stringMatching(
      /✓ arm on .*: 6 of 6 servos answer \(STS3215, firmware [\d.]+\), [\d.…]+ V, [\d.…]+ °C, calibrated$/,
    ),
  ]);
  expect(bus.refusedWrites).toBe(0);
});

it.each<[string, readonly ServoFault[], RegExp]>([
  ["no power", [{ kind: "dropped" }], /✗ no servo answers on \/dev\/ttyACM0\n.*power supply/],
  [
    "a loose plug",
    [{ kind: "dropped", servo: 4 }],
    /! arm on .*5 of 6 servos answer.*\n.*✗ servo 4 \(wrist_flex\) does not answer\n.*cable into servo 4/,
  ],
  [
    "servos that all have the factory's ID",
    [2, 3, 4, 5, 6].map((servo): ServoFault => ({ kind: "dropped", servo })),
    /✗ only servo 1 answers\n.*lerobot-setup-motors --robot\.type=so101_follower --robot\.port=\/dev\/ttyACM0/,
  ],
  [
    "a joint without calibration",
    [{ kind: "not calibrated", servo: 3 }],
    /! the arm is not calibrated \(elbow_flex\): angles are counted from the middle[^\n]*\n.*`lerobot-calibrate --robot\.type=so101_follower --robot\.port=\/dev\/ttyACM0 --robot\.id=my_arm`/,
  ],
  [
    "another model",
    [{ kind: "wrong model", servo: 6, model: 2825 }],
    /! servo 6 \(gripper\) is STS3250 \(model 2825\), not an STS3215/,
  ],
  [
    "too little voltage",
    [{ kind: "voltage", voltageV: 4.7 }],
    /! all servos: 4\.7 V is too little for a kit of 5…7\.4 V\n.*supply of the kit/,
  ],
  [
    "a 12 V kit at 10 V",
    [{ kind: "voltage", voltageV: 10 }],
    /! all servos: 10 V is too little for a kit of 12 V/,
  ],
  [
    "12 V on a 7.4 V kit at once too much",
    [{ kind: "voltage", voltageV: 14.1 }],
    /✗ all servos: 14\.1 V is too much/,
  ],
  [
    "heat",
    [{ kind: "temperature", servo: 2, temperatureC: 68 }],
    /! servo 2 \(shoulder_lift\) is at 68 °C and switches off at 70 °C\n.*Let it cool with the torque off/,
  ],
  [
    "overload",
    [{ kind: "error bits", servo: 5, bits: 32 }],
    /! servo 5 \(wrist_roll\) reports overload: "\[RxPacketError\] Overload error!"\n.*Does something block it\?/,
  ],
])("tells of %s", async (_, faults, text) => {
  const { desk, bus } = await armDesk(...faults);
  expect((await linesOf(armChecks, desk)).join("\n")).toMatch(text);
  expect(bus.refusedWrites).toBe(0);
});

const HEALTH = { name: "elbow_flex", voltageV: 5, temperatureC: 35, faults: [] as readonly string[] };
const RELAY = {
  from: "/dev/ttyACM0",
  receivedPerSecond: 99.6,
  silentS: 0.01,
  trouble: null,
  health: [HEALTH],
};

it.each<[string, object, RegExp]>([
  ["runs", { relay: RELAY }, /✓ the relay "main" reads \/dev\/ttyACM0, 100 readings a second$/],
  [
    "has a servo that ails",
    { relay: { ...RELAY, health: [{ ...HEALTH, faults: ["overload"] }] } },
    /! the relay "main" reads \/dev\/ttyACM0: elbow_flex overload\n.*`splatctl logs main`/,
  ],
  ["hears nothing", { relay: { ...RELAY, silentS: 7.2 } }, /! the relay "main" .* gets nothing for 7 s\n/],
  [
    "is not heard",
    { relay: { ...RELAY, trouble: "no answer" } },
    /! .*, but the backend takes none: no answer\n/,
  ],
  ["begins", {}, /! the relay "main" has no joints yet\n/],
])("asks a relay that %s, and opens no port that it reads", async (_, status, text) => {
  const { desk } = await armDesk();
  const daemon = await serveHttp((request, response) => {
    const health = { service: "splatctl-daemon", name: "main", pid: process.pid, status: "running" };
    response.end(JSON.stringify(request.url === "/health" ? health : status));
  });
  onTestFinished(() => daemon.close());
  await mkdir(join(desk.folder, "run"));
  const file = {
    name: "main",
    pid: process.pid,
    url: daemon.url,
    started_at: 1,
    backend: "b",
    what: "relays",
    relays: true,
    log: null,
  };
  await writeFile(join(desk.folder, "run", "main.json"), JSON.stringify(file));
  const ports = {
    ...desk.context.system.ports,
    holders: () => Promise.resolve([{ pid: process.pid, name: "node" }]),
    open: () => Promise.reject(new Error("opened")),
  };
  const context = { ...desk.context, system: { ...desk.context.system, ports } };
  const lines = (await linesOf(armChecks, { ...desk, context })).join("\n");
  expect(lines).toContain('✓ /dev/ttyACM0 (USB 1a86:55d3) is in use by the daemon "main"\n');
  expect(lines).toMatch(text);
  expect(lines).not.toContain("opened");
});

it("leaves a port alone that somebody reads", async () => {
  const { desk } = await armDesk();
  const ports = {
    ...desk.context.system.ports,
    holders: () => Promise.resolve([{ pid: 4711, name: "python3" }]),
    open: () => Promise.reject(new Error("opened")),
  };
  const context = { ...desk.context, system: { ...desk.context.system, ports } };
  expect(await linesOf(armChecks, { ...desk, context })).toEqual([
    "  ! /dev/ttyACM0 (USB 1a86:55d3) is in use by python3 (pid 4711), and is not disturbed",
    expect.stringContaining("splatctl relay lerobot"),
  ]);
});

it.each<[string, DeviceAccess, RegExp]>([
  [
    "not in the group",
    CLOSED,
    /✗ \/dev\/ttyACM0 .* may not be opened by you\n.*`sudo usermod -aG plugdev \$USER`, then log out and in again/,
  ],
  ["a group that is not known", { ...CLOSED, group: null }, /sudo usermod -aG dialout \$USER/],
  [
    "not logged in again",
    { ...CLOSED, isListed: true },
    /in the group plugdev already: log out and in again, or start anew with `newgrp plugdev`/,
  ],
])("says what is to be done: %s", async (_, access, text) => {
  const { desk } = await armDesk();
  const system = { ...desk.context.system, deviceAccess: () => Promise.resolve(access) };
  expect((await linesOf(armChecks, { ...desk, context: { ...desk.context, system } })).join("\n")).toMatch(
    text,
  );
});

it("tells what a port says that does not open", async () => {
  const { desk } = await armDesk();
  const open = () =>
    Promise.reject(new SplatError("bad_input", "cannot open it: busy", { hint: "Stop it." }));
  const system = { ...desk.context.system, ports: { ...desk.context.system.ports, open } };
  expect((await linesOf(armChecks, { ...desk, context: { ...desk.context, system } })).slice(1)).toEqual([
    "  ✗ cannot open it: busy",
    "    → Stop it",
  ]);
});

it("finds ports in /sys, and asks only what looks like an arm", async () => {
  const desk = await doctorDesk();
  const inside = (...parts: readonly string[]): string => join(desk.folder, ...parts);
  for (const [name, vendor] of [["ttyACM0", "0403"]]) {
    await mkdir(inside("sys", "devices", name), { recursive: true });
    await writeFile(inside("sys", "devices", name, "idVendor"), vendor);
    await mkdir(inside("sys", "class", "tty", name), { recursive: true });
    await symlink(inside("sys", "devices", name), inside("sys", "class", "tty", name, "device"));
    await mkdir(inside("dev"), { recursive: true });
    await writeFile(inside("dev", name), "");
  }
  const folders = { platform: "linux", sysFolder: inside("sys"), devFolder: inside("dev") };
  const ports = { ...desk.context.system.ports, list: () => listArmPorts(folders) };
  const context = { ...desk.context, system: { ...desk.context.system, ports } };
  expect(await linesOf(armChecks, { ...desk, context })).toEqual([
    `  ✓ ${inside("dev", "ttyACM0")} (USB 0403:????), not of the make of arms' adapters`,
  ]);
});

it("takes no port for a failure only where the project has an arm on one", async () => {
  const text = "no serial port on USB is there";
  expect((await linesOf(armChecks, await doctorDesk()))[0]).toBe(`  – ${text}`);
  const serial = await doctorDesk({ project: { relay: { source: "serial" } } });
  expect((await linesOf(armChecks, serial))[0]).toBe(`  ✗ ${text}`);
  const named = await doctorDesk({ project: { relay: { source: "serial", path: "/dev/ttyACM7" } } });
  expect((await linesOf(armChecks, named))[0]).toContain("project is not there: /dev/ttyACM7");
});

it("tells of a calibration file that the project names and nobody can read", async () => {
  const desk = await doctorDesk({
    project: { relay: { source: "serial", calibration: "/nowhere/arm.json" } },
  });
  expect((await linesOf(armChecks, desk)).join("\n")).toContain(
    "✗ calibration /nowhere/arm.json cannot be read",
  );
});

const CAMERAS = [{ name: "C920", path: "/dev/video0", id: "/dev/v4l/by-id/c920" }];

it.each<[string, Parameters<typeof doctorDesk>[0], readonly (string | RegExp)[]]>([
  ["none", {}, ["  – no camera is there", /usbipd/]],
  [
    "one",
    {
      system: { cameras: { list: () => Promise.resolve(CAMERAS), grab: () => Promise.reject(new Error()) } },
    },
    ["  ✓ C920 (/dev/video0)"],
  ],
  [
    "one that is closed",
    {
      system: {
        cameras: { list: () => Promise.resolve(CAMERAS), grab: () => Promise.reject(new Error()) },
        deviceAccess: () => Promise.resolve({ ...CLOSED, group: "video" }),
      },
    },
    ["  ✗ C920 (/dev/video0) may not be opened by you", /`sudo usermod -aG video \$USER`/],
  ],
  [
    "one in use",
    {
      system: {
        cameras: { list: () => Promise.resolve(CAMERAS), grab: () => Promise.reject(new Error()) },
        ports: { ...MACHINE_PORTS, holders: () => Promise.resolve([{ pid: 12, name: "zoom" }]) },
      },
    },
    ["  ! C920 (/dev/video0) is in use by zoom (pid 12)", /End that program/],
  ],
  [
    "a picture",
    {
      asked: { tryCameras: true },
      system: { cameras: { list: () => Promise.resolve(CAMERAS), grab: () => Promise.resolve(81_200) } },
    },
    ["  ✓ C920 (/dev/video0) gave a picture of 82 kB"],
  ],
  [
    "no picture",
    {
      asked: { tryCameras: true },
      system: {
        cameras: {
          list: () => Promise.resolve(CAMERAS),
          grab: () => Promise.reject(new SplatError("bad_input", "the camera is busy", { hint: "End it." })),
        },
      },
    },
    ["  ✗ C920 (/dev/video0) gives no picture: the camera is busy", "    → End it"],
  ],
  [
    "the project's, away",
    {
      project: { capture: { webcam: "/dev/video3" } },
      system: { cameras: { list: () => Promise.resolve(CAMERAS), grab: () => Promise.reject(new Error()) } },
    },
    ["  ✓ C920 (/dev/video0)", /✗ there is no camera "\/dev\/video3"/, /Is it plugged in/],
  ],
  [
    "the project's, in the network",
    { project: { capture: { webcam: "rtsp://camera.example/stream" } } },
    [
      "  – no camera is there",
      /usbipd/,
      "  – the camera of this folder's project, rtsp://camera.example/stream: not asked without --try",
    ],
  ],
])("tells of cameras: %s", async (_, options, wanted) => {
  const lines = await linesOf(cameraChecks, await doctorDesk(options));
  expect(lines).toEqual(
    wanted.map((one) => (typeof one === "string" ? one : (expect.stringMatching(one) as string))),
  );
});
