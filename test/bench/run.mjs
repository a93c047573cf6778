/**
 * Runs one benchmark: `npm run bench -- NAME [--json] [--runs N]`. Without a name it lists them.
 * A benchmark is a file beside this one that exports `about` (one line) and `run(say, { runs })`, which returns a flat
 * object of figures; `say` tells a person what is going on, `runs` is how often, where that can be chosen. With --json the
 * last line on stdout is that object.
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";

const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".mjs") && file !== "run.mjs")
  .map((file) => file.slice(0, -".mjs".length));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, runs: { type: "string" } },
});
const [name] = positionals;

if (name === undefined) {
  for (const each of names) {
    const { about } = await import(`./${each}.mjs`);
    console.log(`${each.padEnd(12)} ${about}`);
  }
} else if (names.includes(name)) {
  const { run } = await import(`./${name}.mjs`);
  const figures = await run((line) => console.error(line), { runs: values.runs });
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  for (const [key, value] of Object.entries(figures)) console.log(`${key.padEnd(width)}  ${format(value)}`);
  if (values.json) console.log(JSON.stringify({ bench: name, ...figures }));
} else {
  console.error(`no benchmark is called "${name}"; there are: ${names.join(", ")}`);
  process.exitCode = 2;
}

function format(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 0.01 ? value.toExponential(2) : value.toFixed(2);
}
