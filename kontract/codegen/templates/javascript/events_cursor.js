// Positions in the log of changes.
export function $readCursor(given) {
    const text = String(given);
    const [, txid, ordinal] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
    if (txid === undefined)
        throw new TypeError(`${text} is no cursor, which is the id of an event, such as "4711.3".`);
    return { text, txid: Number(txid), ordinal: ordinal === undefined ? Infinity : Number(ordinal) };
}
export function $isBefore(one, other) {
    return one.txid === other.txid ? one.ordinal < other.ordinal : one.txid < other.txid;
}
/** Returns the first of some positions; undefined where there is none. */
export function $findFirst(cursors) {
    const known = cursors.filter((cursor) => cursor !== undefined);
    return known.reduce((first, next) => (first === undefined || $isBefore(next, first) ? next : first), undefined);
}
