/** Says at the end which tests were skipped and why, so that none is missed in silence. */
import type { Reporter, TestModule } from "vitest/node";

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const { note } = test.result() as { readonly note?: string | undefined };
        lines.push(`  ${module.relativeModuleId}: ${test.fullName}\n    ${note ?? "no reason given"}`);
      }
    }
    if (lines.length > 0) process.stdout.write(`\nskipped, and why:\n${lines.join("\n")}\n`);
  }
}
