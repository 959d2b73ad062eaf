// Positions in the log of changes.

/** After so many changes of a transaction; Infinity: after all of them. */
export interface $Cursor {
  readonly text: string;
  readonly txid: number;
  readonly ordinal: number;
}

export function $readCursor(given: string | number): $Cursor {
  const text = String(given);
  const [, txid, ordinal] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (txid === undefined) throw new TypeError(`${text} is no cursor, which is the id of an event, such as "4711.3".`);
  return { text, txid: Number(txid), ordinal: ordinal === undefined ? Infinity : Number(ordinal) };
}

export function $isBefore(one: $Cursor, other: $Cursor): boolean {
  return one.txid === other.txid ? one.ordinal < other.ordinal : one.txid < other.txid;
}

/** Returns the first of some positions; undefined where there is none. */
export function $findFirst(cursors: readonly ($Cursor | undefined)[]): $Cursor | undefined {
  const known = cursors.filter((cursor) => cursor !== undefined) as $Cursor[];
  return known.reduce<$Cursor | undefined>(
    (first, next) => (first === undefined || $isBefore(next, first) ? next : first),
    undefined,
  );
}
