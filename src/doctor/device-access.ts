/** Devices that this user may not open, and how that is mended. */
import type { DeviceAccess } from "./context.ts";

/** What lets the user open devices like this one; `usual` is the group where the system does not tell. */
export function accessFix({ group, isListed }: DeviceAccess, usual: string): string {
  const name = group ?? usual;
  if (isListed)
    return `You are in the group ${name} already: log out and in again, or start anew with \`newgrp ${name}\``;
  return `\`sudo usermod -aG ${name} $USER\`, then log out and in again`;
}
