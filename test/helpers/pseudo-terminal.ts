/**
 * A program in a real pseudo-terminal, and what a person sees of it: its output goes through a terminal emulator, whose
 * screen a test reads while it presses keys and changes the size.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import xterm from "@xterm/headless";

export interface TerminalOptions {
  /** Default 80. */
  readonly columns?: number;
  /** Default 24. */
  readonly rows?: number;
  readonly cwd?: string;
  /** On top of this process's environment, without its own settings, NO_COLOR and CI. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One piece of output, as it came. */
export interface Output {
  /** Since the start. */
  readonly atMs: number;
  readonly text: string;
}

/** A terminal that a program runs in. */
export interface Terminal {
  /** The emulator, for whoever wants colours. */
  readonly emulator: xterm.Terminal;
  /** Everything printed so far, escape sequences included. */
  readonly raw: () => string;
  /** The same in pieces, with the time of each. */
  readonly pieces: readonly Output[];
  /** The rows that are shown now, without the blanks at their ends. */
  readonly lines: () => readonly string[];
  /** They as one text. */
  readonly screen: () => string;
  /** Wait until the screen shows it; the screen as it is then. Throws when the program ends without, or takes too long. */
  until(wanted: string | RegExp | ((screen: string) => boolean), waitMs?: number): Promise<string>;
  /** Type, as a keyboard would. */
  press(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Whether some line was too long for its row, ever. */
  readonly hasWrapped: () => boolean;
  /** Whether the alternate screen is on. */
  readonly isAlternate: () => boolean;
  readonly isCursorShown: () => boolean;
  signal(name: NodeJS.Signals): void;
  /** Its exit code, or the signal that ended it; all that it printed has arrived then. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/**
 * Runs its arguments in a pseudo-terminal of columns × rows. Output goes to stdout. Lines on stdin are orders:
 * `type HEX`, `size COLUMNS ROWS`, `kill NUMBER`. The exit status (negative: a signal) goes to stderr.
 */
const PYTHON = `
import errno, fcntl, os, pty, select, signal, struct, sys, termios
columns, rows = int(sys.argv[1]), int(sys.argv[2])
def size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
go = os.pipe()
pid, master = pty.fork()
if pid == 0:
    os.close(go[1])
    os.read(go[0], 1)
    os.close(go[0])
    os.execvp(sys.argv[3], sys.argv[3:])
size(master, columns, rows)
os.write(go[1], b".")
orders, is_open = b"", True
while True:
    ready = select.select([master, 0] if is_open else [master], [], [])[0]
    if master in ready:
        try:
            piece = os.read(master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = b""
        if piece == b"":
            break
        while piece:
            piece = piece[os.write(1, piece):]
    if 0 in ready:
        piece = os.read(0, 65536)
        if piece == b"":
            is_open = False
            os.kill(pid, signal.SIGKILL)
        orders += piece
        *whole, orders = orders.split(b"\\n")
        for order in whole:
            verb, *words = order.decode().split()
            if verb == "type":
                os.write(master, bytes.fromhex(words[0]))
            elif verb == "size":
                size(master, int(words[0]), int(words[1]))
            elif verb == "kill":
                os.kill(pid, int(words[0]))
status = os.waitpid(pid, 0)[1]
print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), file=sys.stderr)
`;

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};
const WAIT_MS = 60_000;

let whyNot: Promise<string | null> | undefined;

/** Null where programs can be run in a pseudo-terminal. */
export function whyNoTerminal(): Promise<string | null> {
  if (process.platform === "win32")
    return Promise.resolve("Windows has no pseudo-terminals that Python opens");
  whyNot ??= new Promise((resolve) => {
    const child = spawn("python3", ["-c", "import pty; print(*pty.openpty())"], { stdio: "ignore" });
    child.on("error", (error) => resolve(`no python3 to open a pseudo-terminal: ${error.message}`));
    child.on("exit", (code) => resolve(code === 0 ? null : "python3 opens no pseudo-terminal"));
  });
  return whyNot;
}

/** Run any program in a terminal. `close` kills it. For whoever is no test too. */
export function openTerminal(
  argv: readonly string[],
  { columns = 80, rows = 24, cwd, env }: TerminalOptions = {},
): Terminal & { readonly close: () => Promise<void> } {
  const child = spawn("python3", ["-c", PYTHON, String(columns), String(rows), ...argv], {
    cwd,
    // Python would put C.UTF-8 in the place of C (PEP 538).
    env: { ...inherited(), PYTHONCOERCECLOCALE: "0", TERM: "xterm-256color", LANG: "C.UTF-8", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1000 });
  const startMs = performance.now();
  const pieces: Output[] = [];
  const watchers = new Set<() => void>();
  let [hasWrapped, isOver, said] = [false, false, ""];
  let shown: Promise<void> = Promise.resolve();
  const lineAt = (row: number) => emulator.buffer.active.getLine(emulator.buffer.active.baseY + row);
  const look = (): void => {
    const { type } = emulator.buffer.active;
    for (let row = 0; row < emulator.rows; row++) {
      if (type === "alternate" && lineAt(row)?.isWrapped === true) hasWrapped = true;
    }
    for (const watcher of watchers) watcher();
  };
  const order = (line: string): void => void (isOver || child.stdin.write(`${line}\n`));
  child.stdin.on("error", () => undefined);
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    pieces.push({ atMs: performance.now() - startMs, text });
    shown = new Promise((resolve) =>
      emulator.write(text, () => {
        look();
        resolve();
      }),
    );
  });
  // Answers of the terminal, such as where its cursor is.
  emulator.onData((text) => order(`type ${Buffer.from(text).toString("hex")}`));
  const ended = once(child, "close").then(async () => {
    await shown;
    isOver = true;
    for (const watcher of watchers) watcher();
    const status = Number(said.trim().split("\n").at(-1));
    if (!Number.isInteger(status)) throw new Error(`the terminal broke: ${said}`);
    return status >= 0 ? status : nameOfSignal(-status);
  });
  ended.catch(() => undefined);
  const raw = (): string => pieces.map(({ text }) => text).join("");
  const lines = (): readonly string[] =>
    Array.from({ length: emulator.rows }, (_, row) => lineAt(row)?.translateToString(true) ?? "");
  const screen = (): string => lines().join("\n");
  return {
    emulator,
    raw,
    pieces,
    lines,
    screen,
    until(wanted, waitMs = WAIT_MS) {
      return new Promise((resolve, reject) => {
        const fail = (why: string): void =>
          settle(() => reject(new Error(`${why}; it shows:\n${screen()}\n(wanted: ${String(wanted)})`)));
        const timer = setTimeout(() => fail("the screen never showed it"), waitMs);
        const settle = (how: () => void): void => {
          clearTimeout(timer);
          watchers.delete(watch);
          how();
        };
        const watch = (): void => {
          const now = screen();
          if (isShown(now, wanted)) settle(() => resolve(now));
          else if (isOver) fail("the program has ended");
        };
        watchers.add(watch);
        watch();
      });
    },
    press: (keys) => order(`type ${Buffer.from(keys).toString("hex")}`),
    resize(toColumns, toRows) {
      emulator.resize(toColumns, toRows);
      order(`size ${toColumns} ${toRows}`);
    },
    hasWrapped: () => hasWrapped,
    isAlternate: () => emulator.buffer.active.type === "alternate",
    isCursorShown: () => raw().lastIndexOf("\u001b[?25h") >= raw().lastIndexOf("\u001b[?25l"),
    signal: (name) => order(`kill ${SIGNALS[name]}`),
    ended,
    async close() {
      child.stdin.end();
      await ended.catch(() => undefined);
      emulator.dispose();
    },
  };
}

function isShown(screen: string, wanted: string | RegExp | ((screen: string) => boolean)): boolean {
  if (typeof wanted === "function") return wanted(screen);
  return typeof wanted === "string" ? screen.includes(wanted) : wanted.test(screen);
}

function inherited(): Record<string, string | undefined> {
  const foreign = /^(?:SPLAT|R2|AWS)_|^(?:NO_COLOR|FORCE_COLOR|CI|CONTINUOUS_INTEGRATION|NODE_ENV|LC_.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

function nameOfSignal(number: number): NodeJS.Signals {
  const name = Object.keys(SIGNALS).find((each) => SIGNALS[each] === number);
  return (name ?? `signal ${number}`) as NodeJS.Signals;
}
