/** `NAME.json` beside `NAME.jpg`: what the writer of a picture knows about it, in the words of the contract's `meta`. */
import { access, readdir, readFile } from "node:fs/promises";
import { z } from "zod";

/** Shape only. What the values may be is the backend's law: it refuses the frame and says why. */
const sidecarSchema = z.object({
  captured_at: z.number().optional(),
  joint_angles: z.array(z.number()).length(6).optional(),
  joint_samples: z.array(z.tuple([z.number(), z.array(z.number()).length(6)])).optional(),
  camera_to_world: z.array(z.array(z.number()).length(4)).length(4).optional(),
  holdout: z.boolean().optional(),
});

/** Times in Unix seconds, joints in rad, camera-to-world 4×4 row-major with OpenGL axes. */
export type Sidecar = z.infer<typeof sidecarSchema>;

export type SidecarLook =
  | { readonly kind: "none" }
  | { readonly kind: "read"; readonly sidecar: Sidecar }
  | { readonly kind: "unusable"; readonly reason: string };

const IMAGE_ENDING = /\.(jpe?g|png)$/i;

/** Path of the sidecar of an image, by name alone. */
export function sidecarPath(imagePath: string): string {
  return imagePath.replace(/\.[^./\\]*$/, "") + ".json";
}

/** Read the sidecar of an image. Never throws. */
export async function readSidecar(imagePath: string): Promise<SidecarLook> {
  let text: string;
  try {
    text = await readFile(sidecarPath(imagePath), "utf8");
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    return code === "ENOENT" ? { kind: "none" } : unusable(`cannot be read: ${code}`);
  }
  try {
    const parsed = sidecarSchema.safeParse(JSON.parse(text));
    if (parsed.success) return { kind: "read", sidecar: parsed.data };
    const [issue] = parsed.error.issues;
    return unusable(`${issue.path.join(".") || "top level"}: ${issue.message}`);
  } catch {
    return unusable("is not JSON");
  }
}

/** Whether an image has a sidecar now. */
export async function hasSidecar(imagePath: string): Promise<boolean> {
  return access(sidecarPath(imagePath)).then(
    () => true,
    () => false,
  );
}

/** Whether any image of a folder has a sidecar now. */
export async function folderHasSidecars(dir: string, recursive: boolean): Promise<boolean> {
  const names = new Set(await readdir(dir, { recursive }));
  return [...names].some((name) => IMAGE_ENDING.test(name) && names.has(sidecarPath(name)));
}

function unusable(reason: string): SidecarLook {
  return { kind: "unusable", reason: `its sidecar ${reason}` };
}
