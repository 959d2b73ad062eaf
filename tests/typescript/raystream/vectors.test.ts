// The encrypted channel's own code in node: vectors of others, of Python, and for Python.

import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { checks, type Material } from "./checks.ts";
import { makeVectors } from "./vectors.ts";

const { KONTRACT_TEST_MATERIAL: material = "", KONTRACT_TEST_VECTORS: vectors = "" } = process.env;
const read = JSON.parse(readFileSync(material, "utf-8")) as Material;

for (const [name, check] of Object.entries(checks)) test(name, () => check(read, chacha20poly1305));

test("vectors for Python", async () => {
  writeFileSync(vectors, JSON.stringify(await makeVectors(chacha20poly1305)));
});
