/** Which files of a folder are frames, and in which order. Names are relative to the folder, with "/". */
import picomatch from "picomatch";

export interface NameRules {
  /** Globs a file must match one of, instead of the usual image endings. Without "/" they look at the last part. */
  readonly include?: readonly string[] | undefined;
  /** Globs a file must not match. */
  readonly exclude?: readonly string[] | undefined;
}

const IMAGE_NAME = /\.(jpe?g|png)$/i;
/** What programs call files they have not finished writing. */
const TEMPORARY_NAME = /~$|^~|\.(part|partial|tmp|temp|crdownload|download|swp)$/i;

/** A predicate over names. What a file holds is judged by its bytes later; this only says which files to look at. */
export function frameNameFilter(rules: NameRules = {}): (name: string) => boolean {
  const include = rules.include ?? [];
  const included = include.length > 0 ? matcher(include) : (name: string) => IMAGE_NAME.test(name);
  const excluded = matcher(rules.exclude ?? []);
  return (name) => !isUnfinishedName(name) && included(name) && !excluded(name);
}

/** Hidden files and folders, and names that mark work in progress. */
export function isUnfinishedName(name: string): boolean {
  return name.split("/").some((part) => part.startsWith(".") || TEMPORARY_NAME.test(part));
}

function matcher(globs: readonly string[]): (name: string) => boolean {
  const tests = globs.map((glob) => picomatch(glob.replace(/^\.\//, ""), { basename: !glob.includes("/") }));
  return (name) => tests.some((test) => test(name));
}

const collator = new Intl.Collator("en", { numeric: true });

/** Order of names as people number them: frame2 before frame10. */
export function compareNames(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}
