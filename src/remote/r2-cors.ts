/**
 * Which web pages may read a bucket: rules as S3 has them, of which one is ours and the others are let be.
 * Documents: R2's page on CORS; Fetch standard, "Origin header"; Amazon S3 API reference, CORSRule.
 */
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";

/** One rule, by the names of S3 and of Cloudflare's dashboard. */
export interface CorsRule {
  readonly ID?: string | undefined;
  readonly AllowedOrigins: readonly string[];
  readonly AllowedMethods: readonly string[];
  readonly AllowedHeaders?: readonly string[] | undefined;
  readonly ExposeHeaders?: readonly string[] | undefined;
  readonly MaxAgeSeconds?: number | undefined;
}

/** By which our rule is known again. */
const OUR_ID = "splatctl";

/** What a viewer in a browser needs: to read, in parts, again only what has changed. */
const OUR_RULE = {
  AllowedMethods: ["GET", "HEAD"],
  AllowedHeaders: ["range", "if-match", "if-none-match", "if-range"],
  ExposeHeaders: ["ETag", "Content-Length", "Content-Range"],
  MaxAgeSeconds: 3600,
} as const;

/** How long a change may take to be in force everywhere, seconds: R2's page on CORS. */
export const PROPAGATION_S = 30;

/** Parse an origin as a rule has it: what a browser sends, to the letter. Throws `usage`. */
export function parseOrigin(text: string): string {
  if (text === "*") return text;
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const hasMore = url !== undefined && (url.username !== "" || url.password !== "" || !isBare(text));
  if (url === undefined || hasMore) {
    throw new SplatError("usage", `"${shown(text)}" is no origin of a web page`, {
      hint: "Give scheme, host and port alone, as https://viewer.example or http://localhost:5173, without a slash at the end; * allows every page.",
    });
  }
  return url.origin;
}

/** The rules with ours for these origins in place of the one before; everybody else's stay as they are, in their order. */
export function withOurs(rules: readonly CorsRule[], origins: readonly string[]): CorsRule[] {
  const ours = { ID: OUR_ID, AllowedOrigins: [...new Set(origins)], ...OUR_RULE };
  return [...withoutOurs(rules), ours];
}

/** The rules of everybody else. */
export function withoutOurs(rules: readonly CorsRule[]): CorsRule[] {
  return rules.filter((rule) => !isOurs(rule));
}

/** Our rule, if it is there. */
export function oursOf(rules: readonly CorsRule[]): CorsRule | undefined {
  return rules.find(isOurs);
}

/** The rules as Cloudflare's dashboard takes them (bucket, Settings, CORS Policy, JSON). */
export function dashboardRules(rules: readonly CorsRule[]): Omit<CorsRule, "ID">[] {
  return rules.map(({ ID: _id, ...rule }) => rule);
}

/** Rules in words, a line or two for each. */
export function describeRules(rules: readonly CorsRule[]): string {
  if (rules.length === 0) return "no rules: no web page of another origin may read the bucket";
  return rules.map(describeRule).join("\n");
}

/** An origin that a page has which these rules let read; undefined when they let none, or pages that are not named. */
export function exampleOrigin(rules: readonly CorsRule[]): string | undefined {
  const reading = rules.filter(({ AllowedMethods }) => AllowedMethods.includes("GET"));
  return reading.flatMap(({ AllowedOrigins }) => AllowedOrigins).find((origin) => !origin.includes("*"));
}

function describeRule(rule: CorsRule): string {
  const { AllowedOrigins, AllowedMethods, AllowedHeaders = [], ExposeHeaders = [], MaxAgeSeconds } = rule;
  const who = AllowedOrigins.includes("*") ? "every page" : `pages of ${AllowedOrigins.join(", ")}`;
  const name = rule.ID === undefined ? (isOurs(rule) ? "splatctl" : "without a name") : rule.ID;
  const more = [
    ...(AllowedHeaders.length === 0 ? [] : [`may send ${AllowedHeaders.join(", ")}`]),
    ...(ExposeHeaders.length === 0 ? [] : [`see ${ExposeHeaders.join(", ")}`]),
    ...(MaxAgeSeconds === undefined ? [] : [`ask again after ${MaxAgeSeconds} s`]),
  ];
  const first = `${printable(name)}: ${printable(who)} may ${printable(AllowedMethods.join(", "))}`;
  return more.length === 0 ? first : `${first}\n  ${printable(more.join("; "))}`;
}

/** A server may forget the names of rules; then ours is known by what it says. */
function isOurs({ ID, AllowedMethods, AllowedHeaders, ExposeHeaders, MaxAgeSeconds }: CorsRule): boolean {
  if (ID !== undefined) return ID === OUR_ID;
  return (
    isSame(AllowedMethods, OUR_RULE.AllowedMethods) &&
    isSame(AllowedHeaders, OUR_RULE.AllowedHeaders) &&
    isSame(ExposeHeaders, OUR_RULE.ExposeHeaders) &&
    MaxAgeSeconds === OUR_RULE.MaxAgeSeconds
  );
}

function isSame(some: readonly string[] = [], others: readonly string[]): boolean {
  const [a, b] = [some, others].map((names) => names.map((name) => name.toLowerCase()).toSorted());
  return a.join() === b.join();
}

/** Nothing behind host and port, not even a slash, and no part left open: R2 compares whole origins. */
function isBare(text: string): boolean {
  return /^https?:\/\/[^/?#*\\\s]+$/i.test(text);
}

/** What was pasted by mistake may hold a password. */
function shown(text: string): string {
  return printable(text.replace(/\/\/[^/@]*@/, "//…@")).slice(0, 100);
}
