import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { PYTHON_SETUP_TIMEOUT_MS, pythonWith } from "./python.ts";

it(
  "finds an environment that works, the same one when asked twice at once",
  { timeout: PYTHON_SETUP_TIMEOUT_MS },
  async (ctx) => {
    const [one, other] = await Promise.all([pythonWith([]), pythonWith([])]);
    if ("reason" in one) {
      ctx.skip(one.reason);
      return;
    }
    expect(other).toEqual(one);
    expect(execFileSync(one.python, ["-c", "print(6 * 7)"], { encoding: "utf8" }).trim()).toBe("42");
  },
);

it(
  "gives a reason, and throws nothing, for what cannot be installed",
  { timeout: PYTHON_SETUP_TIMEOUT_MS },
  async () => {
    const answer = await pythonWith(["./no/such/folder"]);
    expect(answer).toHaveProperty("reason");
  },
);
