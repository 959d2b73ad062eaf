// A call as it goes over the wire, and what comes back.
import { json } from "./dialects.js";

/** Sends a call and returns the response.  Throws Fault, and Error where no answer comes. */
export async function send(call, form, options, session, signal) {
  const kwargs = form.write(json);
  const files = form.listFiles();
  const headers = { ...(await session.authorise()), ...options.headers };
  let body = `{"kwargs": ${kwargs}}`;
  if (call.uploads.length) {
    body = new FormData();
    if (kwargs !== "{}") body.append("kwargs", kwargs);
    for (const [name, file] of files) body.append(name, file);
  } else headers["Content-Type"] = "application/json";
  const credentials = session.hasToken ? "omit" : "same-origin";
  const url = `${call.mount}/rpc/${call.name}`;
  return await fetch(url, { method: "POST", headers, body, credentials, signal, cache: "no-store" });
}

/** Yields the lines of a response while they come. */
export async function* readLines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    yield* lines.filter(Boolean);
    if (done) return;
  }
}
