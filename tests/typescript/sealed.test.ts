// Signing in with the generated client through the encrypted channel, in node, over a wire that somebody reads.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";

import * as api from "./sealed.ts";

const server = process.env["KONTRACT_TEST_SERVER"] ?? "";
const PASSWORD = "analytical engine";

test("tokens go through the channel alone, also those of who signs in after somebody else", async () => {
  const secrets = new Set<string>([PASSWORD]);
  const outer: [string, RequestInit][] = [];
  let kept: string | undefined;
  const storage: api.TokenStorage = {
    load: () => kept,
    save(token) {
      kept = token;
      secrets.add(token);
    },
    clear: () => void (kept = undefined),
  };
  const client = api.createClient({
    baseUrl: `${server}/kontract`,
    auth: { storage },
    fetch: (input, init = {}) => {
      outer.push([String(input), init]);
      return fetch(input, init);
    },
  });
  const check = async (owner: string): Promise<void> => {
    assert.equal((await client.whoAmI())["owner"], owner);
    secrets.add((await client.auth.token()) ?? "");
  };

  const visitor = await client.auth.anonymous();
  await check(visitor.id);
  const email = `${visitor.id}@example.com`;
  await client.auth.link({ email, password: PASSWORD });
  await check(visitor.id);
  assert.equal((await client.auth.refresh())?.id, visitor.id);
  await check(visitor.id);
  assert.equal(await client.auth.logout(), 1);
  assert.equal((await client.whoAmI())["owner"], "");
  const other = await client.auth.register({ email: `other-${email}`, password: PASSWORD });
  await check(other.id);
  await client.auth.logout();
  await client.auth.login({ email, password: PASSWORD });
  await check(visitor.id);

  assert.equal([...secrets].filter((secret) => secret.length === 76).length, 5, "refresh tokens");
  for (const [url, { headers, credentials }] of outer) {
    assert.equal(url, `${server}/kontract/_rs`);
    assert.deepEqual([headers, credentials], [{ "Content-Type": "application/raystream" }, "omit"]);
  }
  writeFileSync(process.env["KONTRACT_TEST_SECRETS"] ?? "", JSON.stringify([...secrets, email]));
});

test("nobody signs in beside the channel", async () => {
  const beside = api.createClient({ baseUrl: `${server}/kontract`, raystream: false });
  await assert.rejects(beside.auth.anonymous(), { code: "raystream_required" });
});
