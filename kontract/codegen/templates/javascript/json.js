// JSON without loss: an integer that a number cannot hold is a bigint, both ways.
const $LONG_INTEGER = /\d{16}/;
const $TOKENS = /\\.|"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const $INTEGER = /^-?\d+$/;
export function $parseJson(text) {
    if (!$LONG_INTEGER.test(text))
        return { value: JSON.parse(text), isWide: false };
    // JSON.parse() rounds before anyone can see the digits, so they pass it as text that nobody could have foreseen.
    const mark = $randomText();
    let isWide = false;
    let isText = false;
    const marked = text.replace($TOKENS, (token) => {
        if (token === '"')
            isText = !isText;
        if (isText || !$INTEGER.test(token) || Number.isSafeInteger(Number(token)))
            return token;
        isWide = true;
        return `"${mark}${token}"`;
    });
    const unmark = (_, value) => typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value;
    return { value: JSON.parse(marked, unmark), isWide };
}
export function $writeJson(value) {
    const mark = $randomText();
    let isWide = false;
    const text = JSON.stringify(value, function (key, json) {
        const raw = this[key]; // JSON.stringify() has made dates and what else has toJSON() into text already
        if (typeof raw === "bigint") {
            isWide = true;
            return `${mark}${raw}`;
        }
        if (typeof raw === "number" && !Number.isFinite(raw))
            throw new TypeError(`JSON has no ${raw}; send null or a string.`);
        if (raw instanceof Date)
            return raw.toISOString();
        if (ArrayBuffer.isView(raw))
            return $toBase64(new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
        return json;
    });
    return isWide ? text.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1") : text;
}
/** 32 hexadecimal digits that nobody can foresee. */
export function $randomText() {
    const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
export function $toBase64(bytes) {
    let binary = "";
    for (let start = 0; start < bytes.length; start += 0x8000) {
        binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000)); // more arguments overflow the stack
    }
    return globalThis.btoa(binary);
}
/** Reads both alphabets of base64, with or without padding. */
export function $fromBase64(text) {
    const binary = globalThis.atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
