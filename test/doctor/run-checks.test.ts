import { expect, it } from "vitest";
import type { Reported } from "../../src/doctor/check.ts";
import { describeFinding, describeSum, findingsJson } from "../../src/doctor/describe.ts";
import { startChecks } from "../../src/doctor/run-checks.ts";
import { SplatError } from "../../src/errors.ts";
import { checkOf, doctorDesk, findingsOf, NEVER, PIPE, WELL } from "./doctor-desk.ts";

const hangs = (): Promise<never> => new Promise(() => undefined);

it("tells in order, whatever is known first, and gives up what hangs alone", async () => {
  const { context } = await doctorDesk();
  let isAborted = false;
  const checks = [
    checkOf(
      "hangs",
      async (_context, signal) => {
        signal.addEventListener("abort", () => (isAborted = true));
        return await hangs();
      },
      30,
    ),
    checkOf("throws", () => Promise.reject(new SplatError("bad_input", "no good", { hint: "Mend it." }))),
    checkOf("breaks", () => Promise.reject(new TypeError("x is not a function"))),
    checkOf("finds", () => Promise.resolve([WELL, { ...WELL, id: "second" }])),
  ];
  const found = await findingsOf(checks, context);
  expect(found.map(({ id, state }) => [id, state])).toEqual([
    ["hangs", "failed"],
    ["throws", "failed"],
    ["breaks", "failed"],
    ["finds", "ok"],
    ["second", "ok"],
  ]);
  expect(isAborted).toBe(true);
  expect(found.slice(0, 3).map((one) => describeFinding(one, PIPE))).toEqual([
    '  ✗ the look at "hangs" did not come to an end within 0.03 s\n' +
      "    → Something it asks hangs. Try again: `splatctl doctor machine`",
    "  ✗ no good\n    → Mend it",
    "  ✗ the check itself went wrong: x is not a function\n" +
      "    → This looks like a bug in splatctl: report it with this line",
  ]);
});

it("says what is still looked at", async () => {
  const { context } = await doctorDesk();
  const { findings, pending } = startChecks(
    [checkOf("a", () => Promise.resolve([WELL])), { ...checkOf("b", hangs, 30), group: "modal" }],
    context,
    NEVER,
  );
  const found: Reported[] = [];
  for await (const one of findings) {
    if (found.length === 0) expect(pending()).toEqual(["Modal"]);
    found.push(one);
  }
  expect(pending()).toEqual([]);
});

it("ends with Ctrl-C, whatever hangs", async () => {
  const { context } = await doctorDesk();
  const stop = new AbortController();
  const found = findingsOf([checkOf("hangs", hangs), checkOf("too", hangs)], context, stop.signal);
  stop.abort(new SplatError("interrupted", "interrupted"));
  await expect(found).rejects.toMatchObject({ code: "interrupted" });
});

const FOUND: readonly Reported[] = [
  {
    id: "a",
    group: "arm",
    state: "warning",
    message: "the servos get 4.8 V – 5…7.4 V are right at 41 °C",
    facts: { v: 4.8 },
  },
  {
    id: "b",
    group: "arm",
    state: "failed",
    message: "port may not be opened",
    fix: "`sudo usermod -aG dialout $USER`, then log out and in again",
  },
  { id: "c", group: "modal", state: "absent", message: "nothing is deployed" },
  { id: "d", group: "modal", state: "skipped", message: "not asked" },
];

it("wraps on a narrow terminal, and keeps a command on one line", () => {
  const text = FOUND.map((one) => describeFinding(one, { ...PIPE, width: 40 })).join("\n");
  expect(text.split("\n")).toEqual([
    "  ! the servos get 4.8 V – 5…7.4 V are",
    "    right at 41 °C",
    "  ✗ port may not be opened",
    "    → `sudo usermod -aG dialout $USER`,",
    "      then log out and in again",
    "  – nothing is deployed",
    "  – not asked",
  ]);
  expect(describeFinding(FOUND[1], { ...PIPE, width: 24 })).toContain("`sudo usermod -aG dialout $USER`,\n");
});

it("does with ASCII alone", () => {
  const text = FOUND.map((one) => describeFinding(one, { ...PIPE, isUnicode: false })).join("\n");
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(text.split("\n")).toEqual([
    "  !  the servos get 4.8 V - 5...7.4 V are right at 41 deg C",
    "  X  port may not be opened",
    "     -> `sudo usermod -aG dialout $USER`, then log out and in again",
    "  -  nothing is deployed",
    "  -  not asked",
  ]);
});

it("sums up, and says the same to scripts", () => {
  expect(describeSum(FOUND, PIPE)).toBe(
    "\nsomething failed: 1 failed, 1 warning, 0 ok, 1 not set up, 1 not looked at",
  );
  expect(JSON.parse(JSON.stringify(findingsJson(FOUND)))).toEqual({
    success: false,
    checks: [
      { id: "a", group: "arm", state: "warning", message: FOUND[0].message, v: 4.8 },
      { id: "b", group: "arm", state: "failed", message: FOUND[1].message, fix: FOUND[1].fix },
      { id: "c", group: "modal", state: "absent", message: "nothing is deployed" },
      { id: "d", group: "modal", state: "skipped", message: "not asked" },
    ],
  });
  expect(findingsJson(FOUND.slice(2))).toMatchObject({ success: true });
});
