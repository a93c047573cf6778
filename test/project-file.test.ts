/** Project files with comments, and what is said of those that are wrong. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SETTING_RULES } from "../src/config-keys.ts";
import { SplatError } from "../src/errors.ts";
import { namesAt } from "../src/project-file-schema.ts";
import { checkProjectValue, parseProject, readProjectFile } from "../src/project-file.ts";
import { temporaryFolder } from "./helpers/backend-fixture.ts";

it.each([
  ["comments and trailing commas", `// one\n{ /* two */ "scene": "a", // three\n}`, { scene: "a" }],
  ["a mark at the start", `\u{feff}{ "scene": "a" }`, { scene: "a" }],
  ["nothing", "", {}],
  ["comments alone", "// nothing yet\n", {}],
  ["a relay in which all is commented out", `{ "relay": { // "source": "serial"\n } }`, {}],
  ["a comment that speaks of tokens", `{ // the token is in SPLAT_API_TOKEN: "see there"\n}`, {}],
])("reads %s", async (_name, text, project) => {
  const path = join(await temporaryFolder(), "splatctl.json");
  await writeFile(path, text);
  expect(await readProjectFile(path)).toEqual(project);
});

it.each([
  [`{\n  "scene": "hunter2"\n  "url": "b"\n}`, "line 3, column 3: a comma should stand before this"],
  [`{\n  "scene": hunter2\n}`, "line 2, column 12: something that is neither a string, a number"],
  [`{ "scene": "hunter2`, "line 1, column 12: a string without an end"],
  [`{ "scene": "a" } hunter2`, "line 1, column 18: "],
  [`{\r\n  "scene": "a",\r\n  "scene": "hunter2"\r\n}`, "line 3, column 3: a name that is there already"],
  [`{ "scene": "a" /* hunter2`, "a comment without an end"],
  ["[".repeat(200_000), "is not JSON"],
  [`{ "capture": { "fps": -1 } }`, /capture\.fps: Too small.*\(line 1, column 16\)/],
  [`{\n  "captur": {} }`, `no setting is called "captur" (line 2, column 3): is "capture" meant?`],
  [`{ "__proto__": { "url": "hunter2" } }`, `no setting is called "__proto__"`],
  [String.raw`{ "a\u001b[31mb": 1 }`, String.raw`no setting is called "a\u{1b}[31mb"`],
  [`{\n  "relay": { "token": "hunter2" } }`, `must not hold secrets: "relay.token" (line 2, column 14)`],
  [`{\n  // "api_key": "hunter2",\n}`, "must not hold secrets: a comment holds one (line 2, column 3)"],
  [`{ // was http://me:hunter2@camera/\n}`, "a comment holds one (line 1, column 3)"],
  [`{ "scene": "${"x".repeat(2 ** 20)}" }`, "is longer than such a file can be"],
])("says where a file is wrong, and quotes nothing of it", (text, said) => {
  let error: unknown;
  try {
    parseProject("splatctl.json", text);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(SplatError);
  const { message, code, hint } = error as SplatError;
  expect(code).toBe("bad_input");
  if (typeof said === "string") expect(message).toContain(said);
  else expect(message).toMatch(said);
  expect(`${message} ${hint}`).not.toContain("hunter2");
  expect(message).not.toContain("\u001b");
});

it.each([
  ["capture.webcam", "http://cam/video?user=a&pwd=hunter2"],
  ["capture.webcam", "http://cam/video?u=hunter2"],
  ["capture.webcam", "rtsp://cam/user=admin_password=hunter2_channel=1"],
  ["capture.webcam", "rtsp://u:hun/hunter2@h/x"],
  ["relay.url", "ws://host/joints?pwd=hunter2"],
  ["relay.url", "ws://host/joints?token=hunter2"],
  ["url", "http://key:hun/ter2@host"],
])("keeps no secret at %s, set or commented out: %s", (key, value) => {
  expect(() => checkProjectValue(key, value)).toThrow("must not hold a secret");
  const [group, name] = key.split(".");
  const inner = name === undefined ? { [group]: value } : { [group]: { [name]: value, source: "http" } };
  expect(() => parseProject("splatctl.json", JSON.stringify(inner))).toThrow("must not hold secrets");
  if (value.includes("?u=")) return;
  expect(() => parseProject("splatctl.json", `{ // ${value}\n}`)).toThrow("must not hold secrets");
});

it.each([
  ["capture.webcam", "rtsp://cam:554/stream?channel=1"],
  ["capture.webcam", "/dev/video0"],
  ["relay.url", "ws://127.0.0.1:8765"],
  ["url", "https://abc--splatctl.modal.run"],
])("takes an address that holds none: %s %s", (key, value) => {
  expect(() => checkProjectValue(key, value)).not.toThrow();
});

it("takes no picture without pixels", () => {
  expect(() => checkProjectValue("capture.size", "0x0")).toThrow("capture.size cannot be that");
});

it("has words for every setting of a project file, and none for others", () => {
  const described = SETTING_RULES.filter(({ inProject }) => inProject === true).map(({ key }) => key);
  const groups = ["capture", "relay"];
  const plain = namesAt([]).filter((name) => !groups.includes(name));
  const inGroups = groups.flatMap((group) => namesAt([group]).map((name) => `${group}.${name}`));
  expect(described.toSorted()).toEqual([...plain, ...inGroups].toSorted());
});

it("loads nothing to read project files with where there is none", async () => {
  const folder = await temporaryFolder();
  const config = new URL("../dist/config.js", import.meta.url).href;
  const script = `
    import module from "node:module";
    const { resolveConfig } = await import(${JSON.stringify(config)});
    await resolveConfig({}, { SPLAT_CONFIG_DIR: "none" });
    console.log(Object.keys(module._cache).filter((path) => path.includes("jsonc-parser")).length);
  `;
  const loaded = (): string =>
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder }).toString().trim();
  expect(loaded()).toBe("0");
  await writeFile(join(folder, "splatctl.json"), "{}");
  expect(Number(loaded())).toBeGreaterThan(0);
});
