/** A simulated arm's joints over HTTP, for systems where it can have no serial port. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { preciseNowS } from "../time.ts";

/** An endpoint on loopback that answers every request with `{joint_angles: [6] rad, captured_at}` as they are then. */
export async function serveJoints(
  anglesAt: (timeS: number) => readonly number[],
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server = createServer((_request, response) => {
    const captured_at = preciseNowS();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ joint_angles: anglesAt(captured_at), captured_at }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/joints`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
