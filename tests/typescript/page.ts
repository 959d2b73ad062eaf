// What runs in a browser: the page reports in its text.

import * as api from "./client.ts";

const checks: { readonly [name: string]: () => Promise<unknown> } = {
  "relative URLs, and a session's CSRF token": async () => (await api.labWho()).length > 0,
  "the token is needed": async () => {
    const without = api.createClient({ csrfCookie: "nothing" });
    return without
      .labWho()
      .catch((error: unknown) => error instanceof api.KontractProblem && error.code === "csrf_failed");
  },
  "values are converted": async () => {
    const number = 2n ** 63n - 1n;
    const [same] = await api.labWide({ number, numbers: [] });
    return same === number && (await api.labNaive()) instanceof Date;
  },
  "declared errors are classes": async () =>
    api
      .zooCount({ to: 1, fail_at: 0 })
      .next()
      .catch((error: unknown) => error instanceof api.ZooClosed),
  "streams can be left": async () => {
    for await (const moment of api.labTicks({ client: "browser" })) return moment instanceof Date;
    return false;
  },
  "files go up": async () => {
    const [digest] = await api.zooUpload({ photo: new File(["abc"], "ü.txt"), title: "" });
    return digest?.name === "ü.txt" && digest.size === 3;
  },
  "files come down": async () => (await (await api.zooDownload({ size: 300 })).bytes()).length === 300,
  batches: async () => {
    const [who, tree] = await api.batch((b) => [api.labWho({}, b), api.zooTree({ root: { value: 4 } }, b)]);
    return who.status === "fulfilled" && tree.status === "fulfilled" && tree.value === 4;
  },
  "calls can be cancelled": async () =>
    api
      .labSlow({ client: "browser", seconds: 20 }, { timeout: 50 })
      .catch((error: unknown) => error instanceof api.KontractTimeoutError),
  "reads are cached and revalidated": async () => {
    const client = crypto.randomUUID();
    await api.labCount({ client });
    const before = [await api.labRuns({ client }), await api.labRuns({ client })];
    await api.labCount({ client });
    return `${before.join()},${await api.labRuns({ client })}` === "1,1,2";
  },
  "workers can call": () =>
    new Promise((resolve, reject) => {
      const worker = new Worker("/built/worker.js", { type: "module" });
      worker.onmessage = ({ data }: MessageEvent<unknown>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    }),
};

async function run(): Promise<string> {
  const lines: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const outcome = await check().catch((error: unknown) => error);
    lines.push(`${outcome === true ? "ok" : `FAILED (${String(outcome)})`}: ${name}`);
  }
  return [...lines, "done"].join("\n");
}

void run().then(async (report) => {
  document.body.textContent = report;
  await fetch("/report", { method: "POST", body: report });
});
