// The published packages import their schemas (.json) without the import attribute that node asks for. This hook reads
// such a file as a module, which saves a bundler. Use: node --import ./json_modules.mjs …
// https://nodejs.org/api/module.html#customization-hooks
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

if (isMainThread) register(import.meta.url);

export async function load(url, context, next) {
  if (!url.startsWith("file:") || !url.endsWith(".json")) return next(url, context);
  return { format: "module", shortCircuit: true, source: `export default ${await readFile(new URL(url), "utf8")}` };
}
