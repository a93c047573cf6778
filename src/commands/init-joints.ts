/** `splatctl init`: where joint angles come from. */
import { resolveLerobotPlaces } from "../config.ts";
import { openJointRoad, PUSH_PORT, type RelaySettings } from "../daemon/joint-road.ts";
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import type { Project } from "../project-file.ts";
import { listArmPorts } from "../robot/serial-ports.ts";
import { settle, tell, tryOut, type InitDesk } from "./init-desk.ts";

/** As the project file says it; null when there are none. */
export type JointsAnswer = NonNullable<Project["relay"]> | null;

type Source = RelaySettings["source"];

const LEROBOT_URL = "ws://127.0.0.1:8765";
/** An arm is met and read in a second; a socket may take three to say what it has. */
const READING_MS = 6000;

/** Ask for it, and try it. */
export async function askJoints(desk: InitDesk): Promise<JointsAnswer> {
  const { flags, questions, config } = desk;
  const before = config.project.relay;
  const ports = await listArmPorts();
  const isArmHere = ports.filter(({ isLikely }) => isLikely).length === 1;
  const usual = before?.source ?? (isArmHere ? "serial" : "none");
  for (;;) {
    const source =
      flags.relay ??
      (await questions?.choose<Source | "none">(
        "Where do the arm's joint angles come from?",
        [
          { value: "serial", label: "its serial bus, on a USB port of this machine; it is only read" },
          { value: "lerobot", label: "LeRobot's display socket" },
          { value: "http", label: "a program: polled over HTTP, or it pushes them" },
          { value: "none", label: "nowhere: no arm, or not yet" },
        ],
        usual,
      )) ??
      usual;
    if (source === "none") return null;
    const kept = before?.source === source ? before : { source };
    const asked =
      source === "serial"
        ? await askPort(desk, kept)
        : source === "lerobot"
          ? await askSocket(desk, kept)
          : await askProgram(desk, kept);
    const answer = await withRobot(desk, asked);
    if (source === "http" && answer.url === undefined) {
      const says = `joints are pushed to http://127.0.0.1:${answer.port ?? PUSH_PORT} while splatctl up runs`;
      tell(desk, { name: "joints", state: "note", says });
      return answer;
    }
    const tried = await tryOut(desk, "joints", () => readOnce(answer, desk.signal));
    if (tried !== "other") return answer;
  }
}

type Relay = NonNullable<Project["relay"]>;

async function askPort(desk: InitDesk, kept: Relay): Promise<Relay> {
  const { flags, questions } = desk;
  if (flags.device !== undefined) return { ...kept, path: flags.device };
  if (questions === null) return kept;
  const ports = await listArmPorts();
  const [searched, elsewhere] = ["search", "elsewhere"];
  if (ports.length === 0) {
    tell(desk, { name: "ports", state: "note", says: "no serial port on USB is there now" });
    const typed = await questions.ask(
      "serial port",
      kept.path ?? searched,
      kept.path ?? "it is searched for each time",
    );
    return { ...kept, path: typed === searched ? undefined : typed };
  }
  const listed = ports.map(({ path, stablePath, vendorId, productId, isLikely }) => ({
    value: stablePath ?? path,
    label: printable(
      `${path} (USB ${vendorId ?? "????"}:${productId ?? "????"}${isLikely ? ", looks like an arm's" : ""})`,
    ),
  }));
  const usual = [kept.path, searched].find(
    (one) => one === searched || listed.some(({ value }) => value === one),
  );
  const chosen = await questions.choose(
    "Which serial port?",
    [
      { value: searched, label: "search for it each time (one arm alone)" },
      ...listed,
      { value: elsewhere, label: "another" },
    ],
    usual ?? searched,
  );
  if (chosen === searched) return { ...kept, path: undefined };
  return { ...kept, path: chosen === elsewhere ? await questions.ask("serial port", kept.path) : chosen };
}

async function askSocket(desk: InitDesk, kept: Relay): Promise<Relay> {
  const { flags, questions } = desk;
  const usual = kept.url ?? LEROBOT_URL;
  const url = await settle(
    desk,
    flags.relayUrl,
    usual,
    (asked) => asked.ask("LeRobot's socket", usual),
    urlOf(["ws:", "wss:"]),
  );
  const usualUnits = kept.units ?? "deg";
  const units =
    flags.units ??
    (await questions?.choose<NonNullable<Relay["units"]>>(
      "What are its numbers?",
      [
        { value: "deg", label: "degrees (LeRobot since v0.4.4)" },
        { value: "norm", label: "-100 to 100 (before)" },
        { value: "rad", label: "radians" },
      ],
      usualUnits,
    )) ??
    usualUnits;
  return { ...kept, url: url === LEROBOT_URL && kept.url === undefined ? undefined : url, units };
}

async function askProgram(desk: InitDesk, kept: Relay): Promise<Relay> {
  const { flags, questions } = desk;
  const usual = kept.url ?? "pushed";
  const url = await settle(
    desk,
    flags.relayUrl,
    usual,
    (asked) => asked.ask("address that is polled", usual, kept.url ?? "none: it pushes them"),
    (typed) => (typed === "pushed" ? undefined : urlOf(["http:", "https:"])(typed)),
  );
  const itself = "itself" as const;
  const units =
    flags.units ??
    (await questions?.choose<NonNullable<Relay["units"]> | typeof itself>(
      "What are its numbers?",
      [
        { value: itself, label: "it says so itself (the contract's own form, phosphobot)" },
        { value: "deg", label: "degrees" },
        { value: "rad", label: "radians" },
        { value: "norm", label: "-100 to 100" },
      ],
      kept.units ?? itself,
    )) ??
    kept.units;
  return { ...kept, url, units: units === itself ? undefined : units };
}

/** Numbers from -100 to 100 say nothing without the arm's calibration. */
async function withRobot({ flags, questions }: InitDesk, answer: Relay): Promise<Relay> {
  if (flags.robotId !== undefined) return { ...answer, robot_id: flags.robotId };
  if (answer.units !== "norm" || answer.robot_id !== undefined || answer.calibration !== undefined)
    return answer;
  if (questions === null) {
    throw new SplatError("usage", "numbers from -100 to 100 need the arm's calibration", {
      hint: "Add --robot-id.",
    });
  }
  return { ...answer, robot_id: await questions.ask("LeRobot's id of the robot, whose calibration is read") };
}

/** Throws `usage` for another address, and for one that holds a password. */
function urlOf(schemes: readonly string[]): (typed: string) => string {
  return (typed) => {
    const url = URL.canParse(typed) ? new URL(typed) : null;
    if (url === null || !schemes.includes(url.protocol)) {
      throw new SplatError(
        "usage",
        `that is no address that begins with ${schemes.map((each) => `${each}//`).join(" or ")}`,
      );
    }
    if (url.username !== "" || url.password !== "") {
      throw new SplatError("usage", "the address holds a password, and splatctl.json is shared");
    }
    return typed;
  };
}

/** What one reading says. Throws what stands in the way of it. */
async function readOnce({ robot_id: robotId, ...settings }: Relay, signal: AbortSignal): Promise<string> {
  const { source, from } = await openJointRoad({ ...settings, robotId }, resolveLerobotPlaces());
  const stop = new AbortController();
  const limit = AbortSignal.any([signal, stop.signal, AbortSignal.timeout(READING_MS)]);
  const warnings: string[] = [];
  const notes: string[] = [];
  const listener = {
    onNote: (line: string) => void notes.push(line),
    onWarning: (line: string) => {
      warnings.push(line);
      // A socket tells when it gives up for now; an arm also what else is wrong with it.
      if (settings.source !== "serial") stop.abort();
    },
  };
  try {
    for await (const { anglesRad } of source?.(listener, limit) ?? []) {
      const degrees = anglesRad.map((angle) => ((angle * 180) / Math.PI).toFixed(1)).join("°, ");
      const where = notes
        .find((line) => line.startsWith("reading the arm on"))
        ?.split(",")[0]
        .replace("reading the arm on", "the arm on");
      const warned = warnings.length === 0 ? "" : `; ${warnings.join("; ")}`;
      return printable(`${where ?? from} is at ${degrees}°${warned}`);
    }
  } finally {
    stop.abort();
  }
  signal.throwIfAborted();
  throw new SplatError("unreachable", printable(warnings.at(-1) ?? `no joint angles came from ${from}`));
}
