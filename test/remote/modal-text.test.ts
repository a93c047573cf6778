import { describe, expect, it } from "vitest";
import { jsonArray } from "../../src/remote/modal-account.ts";
import { isAtLeast } from "../../src/remote/modal-find.ts";
import { plainText, urlInDeployOutput, withoutSecrets } from "../../src/remote/modal-text.ts";
import { troubleOf } from "../../src/remote/modal-trouble.ts";
import { urlOf } from "../../src/remote/modal-url.ts";
import { describePrice, parseGpus } from "../../src/remote/gpus.ts";
import {
  DEPLOYS,
  NO_ADDRESS,
  NO_NETWORK,
  NO_TOKEN,
  PROFILES_WITH_SENTENCE,
  REFUSED_TOKEN,
  SECRET_EXISTS,
} from "./modal-recordings.ts";

describe("the address in what a deployment prints", () => {
  it.each(DEPLOYS)("is found: %s", (_name, output, url) => {
    expect(urlInDeployOutput(output, "LiveSplat.web")).toBe(url);
    expect(urlInDeployOutput(output.replaceAll("\n", "\r\n"), "LiveSplat.web")).toBe(url);
  });

  it("is not made up where there is none", () => {
    expect(urlInDeployOutput(NO_ADDRESS, "LiveSplat.web")).toBeNull();
    expect(urlInDeployOutput("", "LiveSplat.web")).toBeNull();
    const other =
      "└── NotLiveSplat.web -> https://somebody--other.modal.run\n└── page -> https://a--b.modal.run\n";
    expect(urlInDeployOutput(other, "LiveSplat.web")).toBeNull();
    expect(urlInDeployOutput("see => https://example.com/a.modal.run", "LiveSplat.web")).toBeNull();
  });

  it.each([
    [["somebody", "", "so100-live-splat"], "https://somebody--so100-live-splat.modal.run"],
    [["somebody", "dev", "so100-live-splat"], "https://somebody-dev--so100-live-splat.modal.run"],
  ] as const)("is worked out from the workspace: %j", ([workspace, suffix, label], url) => {
    expect(urlOf(workspace, suffix, label)).toBe(url);
  });

  it("is cut and told apart by a hash where a host's label would be too long", () => {
    const url = urlOf("w".repeat(60), "", "so100-live-splat");
    expect(url).toMatch(/^https:\/\/w{56}-[0-9a-f]{6}\.modal\.run$/);
    expect(new URL(url).hostname.split(".")[0]).toHaveLength(63);
    // One that fits to the last letter is left as it is.
    expect(new URL(urlOf("w".repeat(45), "", "so100-live-splat")).hostname.split(".")[0]).toHaveLength(63);
    expect(urlOf("w".repeat(45), "", "so100-live-splat")).toContain("--so100-live-splat.modal.run");
  });
});

it("leaves neither colours nor links in a text, and every letter else", () => {
  expect(plainText("\u001b]8;id=1;https://a\u001b\\\u001b[1;36mx\u001b[0m\u001b]8;;\u0007 [y/N]")).toBe(
    "x [y/N]",
  );
  expect(plainText("äöü 🎉 [brackets] a;b")).toBe("äöü 🎉 [brackets] a;b");
});

it("shows neither tokens of Modal's nor the secrets it is told of", () => {
  const shown = withoutSecrets("ak-AbcdefghIjklmnopQrstuv as-12345678 wk-a1b_def-9 pass hunter2, hunter2", [
    "hunter2",
    "",
  ]);
  expect(shown).toBe("[secret] [secret] [secret] pass [secret], [secret]");
  const words = "task-force ask-me as-requested as-soon-as-possible";
  expect(withoutSecrets(words)).toBe(words);
});

it("finds the list in an output that says more", () => {
  expect(jsonArray(PROFILES_WITH_SENTENCE)).toEqual([{ name: "default", workspace: "other", active: false }]);
  expect(jsonArray("[]")).toEqual([]);
  expect(jsonArray("nothing")).toBeNull();
  expect(jsonArray("[broken")).toBeNull();
});

it("compares versions by number", () => {
  expect(["1.4.0", "1.4.1", "1.10.0", "2.0.0"].map((version) => isAtLeast(version, "1.4.0"))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(["1.3.99", "0.64.0"].map((version) => isAtLeast(version, "1.4.0"))).toEqual([false, false]);
});

it.each([
  [NO_TOKEN, "not_configured", /nobody is logged in/, /modal setup/],
  [REFUSED_TOKEN, "not_configured", /does not accept the token/, /modal token new/],
  [NO_NETWORK, "unreachable", /cannot be reached/, /status\.modal\.com/],
  ["Error: Environment 'nope' not found\n", "not_configured", /environment/, /--env/],
  ["Error: Workspace spend limit reached\n", "refused", /billing/, /usage/],
  [SECRET_EXISTS, "refused", /ended with 1/, /above/],
])("knows what a complaint means: %s", (stderr, code, message, hint) => {
  const error = troubleOf("deploying", { code: 1, stdout: "", stderr });
  expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) as string });
  expect(error.message).toMatch(message);
});

it("does not take what a build prints for the reason why it failed", () => {
  const build = "warning: Connection reset by peer, retrying\nDisk quota exceeded, timed out\n";
  const end = "Traceback:\n  a\n  b\n  c\n  d\nRuntimeError: Image build failed\n";
  for (const ran of [
    { stdout: build, stderr: end },
    { stdout: "", stderr: build + end },
  ]) {
    const error = troubleOf("deploying", { code: 1, ...ran });
    expect(error.message).toBe("deploying failed: Modal's program ended with 1");
    expect((error.cause as Error).message).toMatch(/Image build failed$/);
  }
});

it("quotes what was said last, without secrets", () => {
  const stderr = `${"line\n".repeat(50)}ValueError: hunter2 and ak-0bcdefgh\n`;
  const error = troubleOf("deploying", { code: 1, stdout: "", stderr }, ["hunter2"]);
  expect((error.cause as Error).message).toMatch(/ValueError: \[secret\] and \[secret\]$/);
  expect((error.cause as Error).message.split("\n").length).toBeLessThan(15);
});

it("takes types of GPU in any case and names what is wrong with the others", () => {
  expect(parseGpus("l4, A10,l4")).toEqual(["L4", "A10"]);
  expect(parseGpus("H100!")).toEqual(["H100!"]);
  for (const [text, why] of [
    ["", /no type/],
    ["RTX4090", /no GPU called "RTX4090"/],
    ["B200", /no kernels/],
    ["A10:2", /several/],
  ] as const) {
    expect(() => parseGpus(text)).toThrow(why);
  }
});

it("says what an hour costs, and of when", () => {
  expect(describePrice(["L4"])).toBe("about $0.80 an hour (list price, September 2026)");
  expect(describePrice(["L4", "L40S"])).toMatch(/^about \$0\.80 to \$1\.95 an hour/);
});
