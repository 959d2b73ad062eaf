// The hook of the guide, in React.

import assert from "node:assert/strict";
import { test } from "node:test";

import { act, createElement, StrictMode } from "react";
import { create } from "react-test-renderer";

import * as api from "./client.js";
import { useLive } from "./useLive.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
api.configure({ baseUrl: `${process.env.KONTRACT_TEST_SERVER}/kontract` });

function Users({ age }) {
  const { data, error } = useLive(api.liveUsers, { age });
  return createElement("p", null, error ? error.code : data === undefined ? "..." : data.map(({ id }) => id).join());
}

async function until(tree, text) {
  for (let tries = 0; tree.toJSON().children?.join() !== text; tries++) {
    assert.ok(tries < 200, `${tree.toJSON().children} is not ${text}`);
    await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
  }
}

test("a component shows what a call returns, follows it, and lets go of it", async () => {
  const show = (age) => createElement(StrictMode, null, createElement(Users, { age }));
  let tree;
  await act(() => (tree = create(show(1))));
  await until(tree, "u1");
  await act(() => tree.update(show(2)));
  await until(tree, "u2,u3");
  await act(() => tree.unmount());
  for (let tries = 0; ; tries++) {
    const { open } = await (await fetch(`${process.env.KONTRACT_TEST_SERVER}/counts`)).json();
    if (open === 0) break;
    assert.ok(tries < 100, `${open} streams are open`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
