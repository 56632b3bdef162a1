// GitHub's own code as a process: one JSON request per line on stdin, one JSON answer per line on stdout.
//
//   {"op": "validate", "name": ".github/workflows/x.yml", "text": …}  -> {"problems": [{"severity", "message", "line"}]}
//   {"op": "evaluate", "expression": "a == b", "contexts": {…}, …}     -> {"value": …, "truthy": true|false}
//   {"op": "interpolate", "text": "x ${{ a }} y", "contexts": {…}, …}  -> {"value": "…"}
//
// Both expression requests take "status" (of the job so far: success | failure | cancelled), which the status functions
// look at in a step, or "ancestors" (the results of every job that is needed, directly or not), for a job's `if:`.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";
import { validate as validateLanguage } from "@actions/languageservice";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { TextDocument } from "vscode-languageserver-textdocument";

const bool = (value) => new data.BooleanData(value);

function toData(value) {
  if (value === null || value === undefined) return new data.Null();
  if (Array.isArray(value)) return new data.Array(...value.map(toData));
  if (typeof value === "object")
    return new data.Dictionary(...Object.entries(value).map(([key, item]) => ({ key, value: toData(item) })));
  if (typeof value === "boolean") return bool(value);
  if (typeof value === "number") return new data.NumberData(value);
  return new data.StringData(String(value));
}

const fromData = (value) => JSON.parse(JSON.stringify(value, data.replacer));

function hashFiles(folder, patterns) {
  const whole = createHash("sha256");
  let found = 0;
  for (const name of patterns) {
    const file = path.join(folder ?? ".", name);
    if (!fs.existsSync(file) || !fs.statSync(file).isFile()) continue;
    whole.update(createHash("sha256").update(fs.readFileSync(file)).digest());
    found += 1;
  }
  return found ? whole.digest("hex") : "";
}

function functions({ status = "success", ancestors, folder }) {
  const calls = {
    always: () => bool(true),
    cancelled: () => bool(ancestors ? ancestors.includes("cancelled") : status === "cancelled"),
    success: () => bool(ancestors ? ancestors.every((result) => result === "success") : status === "success"),
    failure: () => bool(ancestors ? ancestors.includes("failure") : status === "failure"),
    hashfiles: (...patterns) => new data.StringData(hashFiles(folder, patterns.map((p) => p.coerceString()))),
  };
  return Object.entries(calls).map(([name, call]) => ({ name, minArgs: name === "hashfiles" ? 1 : 0, maxArgs: 255, call }));
}

function evaluate(expression, request) {
  const known = functions(request);
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(request.contexts), known).parse();
  return new Evaluator(tree, toData(request.contexts), new Map(known.map((f) => [f.name, f]))).evaluate();
}

/** [[isExpression, text], …]; a quote inside ${{ }} may hold braces. */
function pieces(text) {
  const found = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf("${{", at);
    if (start < 0) return [...found, [false, text.slice(at)]];
    found.push([false, text.slice(at, start)]);
    let end = start + 3;
    for (let quoted = false; end < text.length; end++) {
      if (text[end] === "'") quoted = !quoted;
      else if (!quoted && text.startsWith("}}", end)) break;
    }
    if (end >= text.length) throw new Error(`unclosed \${{ in: ${text}`);
    found.push([true, text.slice(start + 3, end)]);
    at = end + 2;
  }
}

const interpolate = (text, request) =>
  pieces(text).map(([expression, part]) => (expression ? evaluate(part, request).coerceString() : part)).join("");

function condition(request) {
  const parts = pieces(request.expression).filter(([expression, part]) => expression || part.trim());
  if (parts.length !== 1) {
    // `if: ${{ x }} && y` is a string that is not empty, and so always true.
    const value = interpolate(request.expression, request);
    return { value, truthy: value !== "" };
  }
  const value = fromData(evaluate(parts[0][1], request));
  return { value, truthy: !(value === false || value === null || value === 0 || value === "" || Number.isNaN(value)) };
}

let documents = 0;

async function validate({ name, text }) {
  const parsed = parseWorkflow({ name, content: text }, new NoOperationTraceWriter());
  if (parsed.value) await convertWorkflowTemplate(parsed.context, parsed.value, undefined, { errorPolicy: 1 });
  const problems = parsed.context.errors
    .getErrors()
    .map((e) => ({ severity: "error", message: e.message, line: e.range?.start?.line ?? 0 }));
  // The validator remembers what it parsed by address, so each text has an address of its own.
  const document = TextDocument.create(`file:///${(documents += 1)}/${name}`, "yaml", 0, text);
  for (const d of await validateLanguage(document))
    problems.push({ severity: (d.severity ?? 1) === 1 ? "error" : "warning", message: d.message, line: d.range.start.line + 1 });
  return { problems };
}

async function answer(request) {
  if (request.op === "validate") return validate(request);
  if (request.op === "interpolate") return { value: interpolate(request.text, request) };
  if (request.op === "evaluate") return condition(request);
  throw new Error(`unknown request: ${request.op}`);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const reply = await answer(JSON.parse(line)).catch((error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
