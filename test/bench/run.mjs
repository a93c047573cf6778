/**
 * Runs one benchmark: `npm run bench -- NAME [--json] [--runs N]`. Without a name it lists them.
 * A benchmark is a file beside this one that exports `about` (one line) and `run(say, choices)`, which returns an object
 * of figures, and of tables: arrays of rows with the same keys. `say` tells a person what is going on; `choices` is what
 * was typed of the options below, as text, where the benchmark knows them. With --json the last line on stdout is that
 * object.
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";

const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".mjs") && file !== "run.mjs")
  .map((file) => file.slice(0, -".mjs".length));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean" },
    /** How often. */
    runs: { type: "string" },
    /** How long, or a list of it: 30,60. */
    seconds: { type: "string" },
    seeds: { type: "string" },
    scene: { type: "string" },
    size: { type: "string" },
    gaussians: { type: "string" },
    threads: { type: "string" },
    /** Which backend: splatctl or gsplat. */
    engine: { type: "string" },
    kernels: { type: "string" },
    steps: { type: "string" },
    "sh-degree": { type: "string" },
    "finish-seconds": { type: "string" },
    "held-back": { type: "boolean" },
    "only-growth": { type: "boolean" },
  },
});
const [name] = positionals;

if (name === undefined) {
  for (const each of names) {
    const { about } = await import(`./${each}.mjs`);
    console.log(`${each.padEnd(12)} ${about}`);
  }
} else if (names.includes(name)) {
  const { run } = await import(`./${name}.mjs`);
  const figures = await run((line) => console.error(line), values);
  const plain = Object.entries(figures).filter(([, value]) => !Array.isArray(value));
  const width = Math.max(...plain.map(([key]) => key.length));
  for (const [key, value] of plain) console.log(`${key.padEnd(width)}  ${format(value)}`);
  for (const [key, rows] of Object.entries(figures)) {
    if (Array.isArray(rows) && rows.length > 0) console.log(`\n${key}\n${tableOf(rows)}`);
  }
  if (values.json) console.log(JSON.stringify({ bench: name, ...figures }));
} else {
  console.error(`no benchmark is called "${name}"; there are: ${names.join(", ")}`);
  process.exitCode = 2;
}

/** Rows under their keys, every column as wide as its widest cell, to the right. */
function tableOf(rows) {
  const keys = Object.keys(rows[0] ?? {});
  const lines = [keys, ...rows.map((row) => keys.map((key) => format(row[key])))];
  const widths = keys.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => line.map((cell, i) => cell.padStart(widths[i])).join("  ")).join("\n");
}

function format(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([key, each]) => `${key} ${format(each)}`)
      .join(", ");
  }
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(2) : value.toFixed(2);
}
