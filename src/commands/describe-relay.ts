/** A relay in words, for a terminal and for scripts. */
import type { CaptureCounts } from "../daemon/capture-tally.ts";
import type { RelayStatus } from "../daemon/run-relay.ts";
import { describeCounts } from "./describe-capture.ts";

/** How far relay and capture are, on one line. */
export function describeProgress(capture: CaptureCounts | null, relay: RelayStatus | null): string {
  const parts = [
    ...(capture === null ? [] : [describeCounts(capture)]),
    ...(relay === null ? [] : [relayNow(relay)]),
  ];
  return parts.join("; ");
}

/** What a relay has done, in one sentence. */
export function describeRelay({ received, sent, superseded, failed, from }: RelayStatus): string {
  const failures = failed === 0 ? "" : `, ${failed} attempts failed`;
  return `${received} joint readings from ${from}; ${sent} sent, ${superseded} left out for newer ones${failures}`;
}

/** A relay as `--json` prints it. */
export function relayJson(relay: RelayStatus): object {
  const { from, backend, received, sent, superseded, failed, trouble } = relay;
  return { from, backend, received, sent, superseded, failed, trouble };
}

function relayNow({ receivedPerSecond, jointAngles, sent, trouble, silentS, health }: RelayStatus): string {
  if (jointAngles === null) return "waiting for joint angles";
  const degrees = jointAngles.map((angle) => Math.round((angle * 180) / Math.PI)).join(" ");
  // Without how long: in a pipe every change is a line.
  const silence = silentS !== null && silentS > 1 ? ", silent" : "";
  const outage = trouble === null ? "" : ", the backend does not take them";
  return `joints ${Math.round(receivedPerSecond)}/s at ${degrees}°${silence}, ${sent} sent${outage}${condition(health)}`;
}

/** The lowest voltage and the hottest servo. */
function condition(health: RelayStatus["health"]): string {
  if (health.length === 0) return "";
  const voltage = Math.min(...health.map(({ voltageV }) => voltageV));
  const hottest = health.toSorted((a, b) => b.temperatureC - a.temperatureC)[0];
  return `, ${voltage.toFixed(1)} V, ${hottest.temperatureC} °C`;
}
