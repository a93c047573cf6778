/** Says at the end which tests were skipped and why, so that none is missed in silence. */
import type { Reporter, TestModule } from "vitest/node";

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    let unexplained = 0;
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const { note } = test.result() as { readonly note?: string | undefined };
        if (note === undefined) unexplained++;
        else lines.push(`  ${module.relativeModuleId}: ${test.fullName}\n    ${note}`);
      }
    }
    // A filter by name leaves out all others in this way too.
    if (unexplained > 0) lines.push(`  ${unexplained} without a reason`);
    if (lines.length > 0) process.stdout.write(`\nskipped, and why:\n${lines.join("\n")}\n`);
  }
}
