import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, type TestContext } from "vitest";
import {
  lerobotPython,
  type PythonAnswer,
  PYTHON_PACKAGES,
  PYTHON_SETUP_TIMEOUT_MS,
  pythonWith,
} from "./helpers/python.ts";

const folder = fileURLToPath(new URL("../templates/lerobot", import.meta.url));

async function runItsTests(context: TestContext, answer: PythonAnswer): Promise<string> {
  const python = "reason" in answer ? context.skip(answer.reason) : answer.python;
  const ended = await promisify(execFile)(python, ["-m", "pytest", "-rs"], {
    cwd: folder,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
    timeout: 150_000,
  }).catch((error: { stdout: string; stderr: string }) => error);
  const said = `${ended.stdout}${ended.stderr}`;
  expect(said).toMatch(/ \d+ passed/);
  expect(said).not.toMatch(/ \d+ (failed|errors?)/);
  return said;
}

it(
  "templates/lerobot passes its own tests, with a stand-in for LeRobot",
  { timeout: PYTHON_SETUP_TIMEOUT_MS },
  async (context) => {
    const said = await runItsTests(context, await pythonWith([PYTHON_PACKAGES.pytest]));
    expect(said).toContain("lerobot: not installed");
  },
);

it(
  "templates/lerobot passes its own tests inside the real LeRobot",
  { timeout: PYTHON_SETUP_TIMEOUT_MS },
  async (context) => {
    const said = await runItsTests(context, lerobotPython());
    expect(said).toContain("lerobot: the real one");
  },
);
