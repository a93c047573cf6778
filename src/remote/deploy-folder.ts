/** A fresh copy of the cloud backend, to deploy from. */
import { cp, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf, SplatError } from "../errors.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

/** What lies beside the sources and is no part of them. */
const LEFT_OUT = /^(?:tests|__pycache__|node_modules|\..*|.*\.pyc|.*\.egg-info|splatctl-data|build|dist)$/;

/** Copy a template; what is made goes when it is removed or this process ends. Throws `bad_input` when it holds no `modal_app.py` or cannot be copied. */
export async function copyTemplate(template: string): Promise<TemporaryFolder> {
  await checkTemplate(template);
  const parent = makeTemporaryFolder("splatctl-deploy-");
  const path = join(parent.path, "modal");
  try {
    await cp(template, path, {
      recursive: true,
      filter: (source) => source === template || !LEFT_OUT.test(basename(source)),
    });
  } catch (error) {
    await parent.remove();
    throw new SplatError("bad_input", `cannot copy ${template}: ${messageOf(error)}`, { cause: error });
  }
  return { ...parent, path };
}

/** Throws `bad_input` when the folder holds no `modal_app.py`. */
export async function checkTemplate(template: string): Promise<void> {
  const app = join(template, "modal_app.py");
  const found = await stat(app).catch(() => null);
  if (found?.isFile() === true) return;
  throw new SplatError("bad_input", `there is no backend to deploy: ${app} is not there`, {
    hint: "Name a folder that holds one with --template, or install splatctl again.",
  });
}
