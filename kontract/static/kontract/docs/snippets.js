// The call as curl, the TypeScript client and the Python client make it, as kontract.codegen.cookbook.snippets has it.
import { json, python, typescript } from "./dialects.js";

const IMPORTS = {
  "urlsafe_b64decode(": "from base64 import urlsafe_b64decode",
  "date.": "from datetime import date",
  "datetime.": "from datetime import datetime",
  "time.": "from datetime import time",
  "Decimal(": "from decimal import Decimal",
  "UUID(": "from uuid import UUID",
};

/** Returns a word for a shell, quoted where it has to be. */
function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** Returns the files of a call by parameter: those that were chosen, and what is required. */
function listFiles(call, form) {
  return call.uploads
    .map((upload) => ({ ...upload, names: form.listFileNames(upload.name) }))
    .filter((upload) => upload.required || upload.names.length);
}

export function writeCurl(call, form, options, hasToken) {
  const lines = [`curl ${quote(`${location.origin}${call.mount}/rpc/${call.name}`)}`];
  if (hasToken || call.isRestricted) lines.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(options.headers)) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  const kwargs = form.write(json);
  if (call.uploads.length) {
    if (kwargs !== "{}") lines.push(`-F ${quote(`kwargs=${kwargs};type=application/json`)}`);
    for (const { name, names } of listFiles(call, form)) {
      for (const file of names.length ? names : [name]) lines.push(`-F ${quote(`${name}=@${file}`)}`);
    }
  } else lines.push("-H 'Content-Type: application/json'", `-d ${quote(`{"kwargs": ${kwargs}}`)}`);
  if (call.isDownload) lines.push(`-o ${call.name}`);
  if (call.isStream) lines[0] += " -N";
  return lines.join(" \\\n  ");
}

export function writeTypescript(call, form, options) {
  const name = call.typescript;
  const files = listFiles(call, form).map(({ name: key, many }) => `${key}: ${many ? "[file]" : "file"}`);
  const members = [...form.listEntries(typescript).map(([key, value]) => `${key}: ${value}`), ...files];
  const given = [];
  if (options.asOf !== null) given.push(`asOf: ${/^\d+$/.test(options.asOf) ? options.asOf : `new Date("${options.asOf}")`}`);
  if (options.key !== null) given.push(`idempotencyKey: ${JSON.stringify(options.key)}`);
  const parts = members.length ? [`{ ${members.join(", ")} }`] : given.length || options.isDryRun ? ["{}"] : [];
  if (given.length) parts.push(`{ ${given.join(", ")} }`);
  if (options.isDryRun) {
    const head = `import { dryRun, ${name} } from "./api.ts";\n\n`;
    return `${head}const { result, changes } = await dryRun(${[name, ...parts].join(", ")});`;
  }
  const made = `${name}(${parts.join(", ")})`;
  const head = `import { ${name} } from "./api.ts";\n\n`;
  if (call.isStream) return `${head}for await (const item of ${made}) {\n  console.log(item);\n}`;
  if (call.isDownload) return `${head}const download = await ${made};\nconst blob = await download.blob();`;
  return `${head}const result = await ${made};`;
}

export function writePython(call, form, options) {
  const classes = new Set();
  const naming = {
    ...python,
    object: (entries, name) => python.object(entries, name && (classes.add(name), name)),
    choice: (written, name) => python.choice(written, name && (classes.add(name), name)),
  };
  const files = listFiles(call, form);
  const given = form.listEntries(naming).map(([key, value]) => `${call.parameters[key] ?? key}=${value}`);
  for (const { name, many, names } of files) {
    const read = `File.read("${names[0] ?? name}")`;
    given.push(`${call.parameters[name]}=${many ? `[${read}]` : read}`);
  }
  const asOf = options.asOf !== null && !/^\d+$/.test(options.asOf);
  const chosen = [];
  if (options.asOf !== null) chosen.push(`as_of=${asOf ? python.text(options.asOf, { format: "date-time" }) : options.asOf}`);
  if (options.isDryRun) chosen.push("dry_run=True", "answer=answer");
  if (options.key !== null) chosen.push(`idempotency_key=${python.text(options.key)}`);
  const client = chosen.length ? `client.options(${chosen.join(", ")})` : "client";
  const has = (sign) => [...given, ...chosen].some((text) => text.includes(`=${sign}`) || text.includes(`(${sign}`));
  const imports = Object.entries(IMPORTS).filter(([sign]) => has(sign)).map(([, line]) => line);
  const own = [...(options.isDryRun ? ["Answer"] : []), ...(files.length ? ["File"] : [])];
  if (own.length) imports.push(`from kontract.client import ${own.join(", ")}`);
  const made = `${client}.${call.python}(${given.join(", ")})`;
  const lines = [
    ...imports.sort(),
    ...(imports.length ? [""] : []),
    `from client import ${["Client", ...classes].join(", ")}`,
    "",
    `client = Client("${location.origin}${call.mount}/")`,
    ...(options.isDryRun ? ["answer = Answer()"] : []),
    ...use(call, made),
    ...(options.isDryRun ? ["print(answer.changes)"] : []),
  ];
  return lines.join("\n");
}

function use(call, made) {
  if (call.isStream) return [`for item in ${made}:`, "    print(item)"];
  if (call.isDownload) return [`with ${made} as download:`, `    download.save("${call.name}")`];
  return [`result = ${made}`];
}
