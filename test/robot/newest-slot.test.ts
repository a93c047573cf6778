import { expect, it } from "vitest";
import { NewestSlot, newestFrom } from "../../src/robot/newest-slot.ts";

it("gives the newest, once", async () => {
  const slot = new NewestSlot<number>();
  expect(slot.put(1)).toBe(false);
  expect(slot.put(2)).toBe(true);
  expect(await slot.take()).toBe(2);
  const next = slot.take();
  slot.put(3);
  expect(await next).toBe(3);
});

it("gives what lies there and then null when nothing more comes, also to one who waits", async () => {
  const slot = new NewestSlot<number>();
  slot.put(1);
  slot.end();
  expect([await slot.take(), await slot.take()]).toEqual([1, null]);
  const other = new NewestSlot<number>();
  const waiting = other.take();
  other.end();
  expect(await waiting).toBeNull();
});

it("throws what ended it", async () => {
  const slot = new NewestSlot<number>();
  const waiting = slot.take();
  slot.end(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
});

it("ends its run when the reader goes away, and with the signal", async () => {
  const ended: string[] = [];
  const values = (name: string, signal: AbortSignal) =>
    newestFrom<number>(async (slot, ending) => {
      slot.put(1);
      await new Promise((resolve) => ending.addEventListener("abort", resolve));
      ended.push(name);
    }, signal);
  for await (const value of values("reader", new AbortController().signal)) {
    expect(value).toBe(1);
    break;
  }
  const stop = new AbortController();
  for await (const _ of values("signal", stop.signal)) stop.abort();
  expect(ended).toEqual(["reader", "signal"]);
});

it("passes on what its run throws", async () => {
  const broken = newestFrom(() => Promise.reject(new Error("no port")), new AbortController().signal);
  await expect(broken.next()).rejects.toThrow("no port");
});
