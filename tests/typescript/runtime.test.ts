// What needs no server: numbers, moments and unions, to the last digit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { $fromBase64, $parseJson, $toBase64, $writeJson } from "./runtime/json.ts";
import { $decode, $Mismatch, type $Codec } from "./runtime/values.ts";

test("integers keep their digits both ways, wherever they are", () => {
  const text = '{"a":9007199254740993,"b":[-9007199254740992,12],"c":{"d":123456789012345678901234567890}}';
  const { value, isWide } = $parseJson(text);
  assert.deepEqual(value, { a: 2n ** 53n + 1n, b: [-(2n ** 53n), 12], c: { d: 123456789012345678901234567890n } });
  assert.equal(isWide, true);
  assert.equal($writeJson(value as object), text);
});

test("numbers that are no wide integers stay numbers", () => {
  const text =
    "[9007199254740991,-9007199254740991,1e300,0.12345678901234567,12345678901234567.5,1.2345678901234567e+25]";
  assert.deepEqual($parseJson(text), { value: JSON.parse(text) as unknown, isWide: false });
});

test("digits in texts and in keys are no numbers", () => {
  const value = { "12345678901234567890": 'a "12345678901234567890", 12345678901234567890\\', b: 2n ** 64n };
  assert.deepEqual($parseJson($writeJson(value)).value, value);
});

test("what is no JSON is not read", () => {
  for (const text of ["", "{", "[012345678901234567]", "[12345678901234567 1]", '{"a":12345678901234567', "[-]"]) {
    assert.throws(() => $parseJson(text), SyntaxError, text);
  }
});

test("random values come back as they were", () => {
  for (let round = 0; round < 300; round++) {
    const value = randomValue(4);
    assert.deepEqual($parseJson($writeJson({ value })).value, { value });
  }
});

function randomValue(depth: number): unknown {
  const pick = Math.floor(Math.random() * (depth > 0 ? 8 : 6));
  if (pick === 0) return null;
  if (pick === 1) return Math.random() < 0.5;
  if (pick === 2) return (Math.random() - 0.5) * 10 ** Math.floor(Math.random() * 15);
  if (pick === 3) return Math.floor((Math.random() - 0.5) * 2 ** 53);
  if (pick === 4)
    return (Math.random() < 0.5 ? -1n : 1n) * (2n ** 53n + BigInt(Math.floor(Math.random() * 2 ** 50)) ** 2n);
  if (pick === 5) return String.fromCharCode(...Array.from({ length: 12 }, () => Math.floor(Math.random() * 0xd7ff)));
  const items = Array.from({ length: 4 }, () => randomValue(depth - 1));
  return pick === 6 ? items : Object.fromEntries(items.map((item, index) => [`${index}"${String(pick)}\\`, item]));
}

test("what JSON has no word for is refused, not changed", () => {
  for (const value of [NaN, Infinity, new Date(NaN)]) assert.throws(() => $writeJson({ value }));
  assert.equal(
    $writeJson({ a: undefined, b: new Date(0), c: new Uint8Array([255]) }),
    '{"b":"1970-01-01T00:00:00.000Z","c":"/w=="}',
  );
  assert.equal($writeJson({ url: new URL("https://example.org/") }), '{"url":"https://example.org/"}');
  assert.equal($writeJson({ part: new Uint8Array([1, 2, 3, 4]).subarray(1, 3) }), '{"part":"AgM="}');
});

test("bytes of any number and of both alphabets", () => {
  const bytes = Uint8Array.from({ length: 100_003 }, (_, index) => index % 256);
  assert.deepEqual($fromBase64($toBase64(bytes)), bytes);
  assert.deepEqual($fromBase64("_-8="), $fromBase64("/+8"));
});

test("a moment is the same on every machine", () => {
  const read = (text: string): string => ($decode("date", text, false) as Date).toISOString();
  assert.equal(read("2024-02-29T12:30:15.123456Z"), "2024-02-29T12:30:15.123Z");
  assert.equal(read("2024-02-29T12:30:15.9+02:00"), "2024-02-29T10:30:15.900Z");
  assert.equal(read("2024-02-29T12:30:15.123456"), "2024-02-29T12:30:15.123Z"); // UTC, not the machine's time zone
  assert.equal(read("0001-01-01T00:00:00"), "0001-01-01T00:00:00.000Z");
  for (const wrong of ["2024-02-29", "now", "", 5, {}]) assert.throws(() => $decode("date", wrong, false), $Mismatch);
});

test("a type of a union is chosen by what it looks like", () => {
  const loose: $Codec = { union: [{ is: "string", as: "date" }, { is: "number", as: "bigint" }, { is: "string" }] };
  assert.deepEqual($decode(loose, "2024-02-29T00:00:00Z", false), new Date("2024-02-29T00:00:00Z"));
  assert.equal($decode(loose, "2024-02-29", false), "2024-02-29");
  assert.equal($decode(loose, 7, false), 7n);
  assert.equal($decode(loose, null, false), null);
  assert.throws(() => $decode(loose, true, false), $Mismatch);
});

test("a type of a union that turns out wrong leaves no trace", () => {
  const wrong: $Codec = { fields: { a: "date", b: "date" } };
  const right: $Codec = { fields: { b: "bigint" } };
  const codec: $Codec = {
    union: [
      { is: { has: ["a", "b"] }, as: wrong },
      { is: { has: ["b"] }, as: right },
    ],
  };
  const value = { a: "2024-02-29T00:00:00Z", b: 1 };
  assert.deepEqual($decode(codec, value, false), { a: "2024-02-29T00:00:00Z", b: 1n });
});

test("a wide integer where the type is number is refused, and kept where anything may be", () => {
  const { value, isWide } = $parseJson('{"id":9007199254740993,"at":"2024-02-29T00:00:00Z"}');
  assert.throws(() => $decode({ fields: { at: "date" } }, value, isWide), /9007199254740993 is beyond/);
  assert.deepEqual($decode("any", value, isWide), value);
});
