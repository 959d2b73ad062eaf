// Server-sent events as they come, https://html.spec.whatwg.org/multipage/server-sent-events.html.

import { $overNetwork } from "./sending.ts";

/** One event; `id` is the position after it. */
export interface $Event {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** Yields the events that end, and tells of each sign of life. */
export async function* $readEvents(
  body: ReadableStream<Uint8Array>,
  live: () => void,
): AsyncGenerator<$Event, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let lines: string[] = [];
  try {
    for (;;) {
      const { done, value } = await $overNetwork(reader.read());
      if (done) return;
      live();
      const found = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?=[^])/);
      rest = found.pop() ?? "";
      for (const line of found) {
        if (line !== "") {
          lines.push(line);
          continue;
        }
        const event = $readEvent(lines);
        lines = [];
        if (event !== undefined) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // the connection may have failed, which is told already
  }
}

function $readEvent(lines: readonly string[]): $Event | undefined {
  const fields = new Map<string, string[]>([["event", []], ["id", []], ["data", []]]);
  for (const line of lines) {
    const [name = "", ...others] = line.split(":");
    fields.get(name)?.push(others.join(":").replace(/^ /, ""));
  }
  const event = fields.get("event")?.at(-1);
  const data = fields.get("data")?.join("\n") ?? "";
  return event === undefined ? undefined : { event, id: fields.get("id")?.at(-1), data };
}
