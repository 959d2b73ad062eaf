// JSON Patch (RFC 6902), which leaves what it is applied to as it is and shares what has not changed.

import { $Mismatch } from "./values.ts";

/** One operation of a patch. */
export interface $Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

export function $applyPatch(document: unknown, patch: readonly $Operation[]): unknown {
  return patch.reduce($apply, document);
}

function $apply(document: unknown, { op, path, from = "", value }: $Operation): unknown {
  const place = $readPointer(path);
  const source = $readPointer(from);
  if (op === "add") return $put(document, place, value, true);
  if (op === "replace") return $put(document, place, value, false);
  if (op === "remove") return $remove(document, place);
  if (op === "copy") return $put(document, place, $get(document, source), true);
  if (op === "move") return $put($remove(document, source), place, $get(document, source), true);
  throw new $Mismatch(`a patch has the operation ${op}`);
}

/** Returns the parts of a JSON Pointer (RFC 6901). */
function $readPointer(pointer: string): string[] {
  const parts = pointer.split("/").slice(1);
  return parts.map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
}

function $get(value: unknown, parts: readonly string[]): unknown {
  return parts.reduce($step, value);
}

function $step(value: unknown, part: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
    throw new $Mismatch("a patch does not fit what it is for");
  return (value as Record<string, unknown>)[part];
}

function $put(value: unknown, [part, ...others]: readonly string[], put: unknown, isNew: boolean): unknown {
  if (part === undefined) return put;
  const isHere = others.length === 0;
  const next = isHere ? put : $put($step(value, part), others, put, isNew);
  if (!Array.isArray(value)) return $with(value, part, next);
  return $splice(value, part === "-" ? value.length : Number(part), isHere && isNew ? 0 : 1, next);
}

function $remove(value: unknown, [part = "", ...others]: readonly string[]): unknown {
  const inner = $step(value, part);
  if (others.length > 0) {
    const next = $remove(inner, others);
    return Array.isArray(value) ? $splice(value, Number(part), 1, next) : $with(value, part, next);
  }
  if (Array.isArray(value)) return $splice(value, Number(part), 1);
  return Object.fromEntries(Object.entries(value as object).filter(([name]) => name !== part));
}

function $splice(list: readonly unknown[], start: number, count: number, ...items: unknown[]): unknown[] {
  return [...list.slice(0, start), ...items, ...list.slice(start + count)];
}

/** Returns an object with one more property, or another one; also where its name is that of a setter. */
function $with(value: unknown, name: string, next: unknown): unknown {
  if (typeof value !== "object" || value === null) throw new $Mismatch("a patch does not fit what it is for");
  if (!Object.hasOwn(value, name)) return Object.fromEntries([...Object.entries(value), [name, next]]);
  return Object.fromEntries(Object.entries(value).map(([own, kept]) => [own, own === name ? next : kept]));
}
