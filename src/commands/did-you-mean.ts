/** What somebody meant who typed something else. */
import { slipsBetween } from "../nearest-name.ts";

/** Words of other programs, by the command they are typed after ("" = none), and what does it here. */
export const OTHER_WORDS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "": {
    begin: ["demo", "init"],
    calibrate: ["fk", "relay"],
    camera: ["cameras"],
    clear: ["reset", "queue clear"],
    connect: ["relay", "up"],
    delete: ["chunks rm", "undeploy"],
    destroy: ["undeploy"],
    devices: ["cameras", "ps"],
    download: ["pull", "chunks get"],
    export: ["pull", "convert"],
    follow: ["chunks watch", "status"],
    get: ["pull", "chunks get"],
    install: ["init", "completion"],
    joints: ["relay"],
    kill: ["down"],
    list: ["ps", "chunks ls", "queue ls"],
    login: ["deploy", "bucket init"],
    ls: ["ps", "chunks ls", "queue ls"],
    monitor: ["status"],
    open: ["pull"],
    push: ["chunks push", "capture"],
    record: ["capture"],
    remove: ["chunks rm", "undeploy"],
    render: ["pull"],
    rm: ["chunks rm", "reset"],
    run: ["up", "serve"],
    save: ["pull"],
    scan: ["capture", "up"],
    send: ["capture"],
    server: ["serve"],
    settings: ["config"],
    setup: ["init"],
    show: ["status"],
    start: ["up", "serve"],
    sync: ["chunks watch"],
    test: ["doctor", "bucket check"],
    update: ["redeploy"],
    upload: ["capture", "chunks push"],
    verify: ["chunks verify"],
    view: ["pull"],
    watch: ["chunks watch", "status"],
    webcam: ["cameras"],
  },
  bucket: { create: ["bucket init"], login: ["bucket init"], setup: ["bucket init"], test: ["bucket check"] },
  chunks: {
    check: ["chunks verify"],
    delete: ["chunks rm"],
    download: ["chunks get"],
    follow: ["chunks watch"],
    link: ["chunks url"],
    list: ["chunks ls"],
    pull: ["chunks get"],
    put: ["chunks push"],
    remove: ["chunks rm"],
    show: ["chunks ls"],
    upload: ["chunks push"],
  },
  queue: {
    delete: ["queue clear"],
    list: ["queue ls"],
    remove: ["queue clear"],
    rm: ["queue clear"],
    show: ["queue ls"],
  },
  relay: { arm: ["relay serial"], push: ["relay http"], socket: ["relay lerobot"], usb: ["relay serial"] },
};

/** Longer than any name here: no suggestion, and no long work. */
const MOST_LETTERS = 40;

/**
 * The names nearest to `typed`, best first; none when nothing is near. A name that begins with what was typed counts as
 * near, whatever else it has.
 */
export function nearest(typed: string, names: readonly string[]): readonly string[] {
  if (typed.length > MOST_LETTERS) return [];
  const word = typed.toLowerCase().replace(/^-+/, "");
  if (word === "") return [];
  const rated = [...new Set(names)].map((name) => {
    const bare = name.toLowerCase().replace(/^-+/, "");
    const isBegun = word.length >= 2 && bare.startsWith(word);
    const slips = isBegun ? 0.5 : slipsBetween(word, bare);
    // Two letters have little in common with everything: at least half of them must be right.
    const isNear = slips <= Math.max(1, Math.floor(bare.length * 0.4)) && slips < Math.max(word.length, 2);
    return { name, slips: isNear ? slips : Number.POSITIVE_INFINITY };
  });
  const least = Math.min(...rated.map(({ slips }) => slips));
  return Number.isFinite(least) ? rated.filter(({ slips }) => slips === least).map(({ name }) => name) : [];
}

/** `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
