// The real gateway, as a program, in front of the scripted upstream, as a program.

import { spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const KEY = "sk-team-key";
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const bin = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug");

// The upstream does what the name of its model says; see `scripted-upstream --help`.
const behaviours = "says chinese echoes calls loops fits hundred cut thinks vectors obeys-slow1".split(" ");
const errors = [400, 401, 429, 503];

function configuration(base, data, admin) {
  const models = [...behaviours, ...errors.map((status) => `error-${status}`)].map(
    (name) =>
      `  - {name: ${name}, provider: openai, model: ${name}, endpoints: [{base_url: "${base}", api_key: sk-upstream}], ` +
      `accepts: [text, image, tools, json_schema, embeddings], price: {input: 1, output: 2}, retries: 0}`,
  );
  return [
    `listen: 127.0.0.1:${data}`,
    `admin: 127.0.0.1:${admin}`,
    "clients:",
    `  - {name: team, key: ${KEY}}`,
    "models:",
    ...models,
    "routes:",
    "  - {name: auto, ladder: [says, hundred], policy: {kind: fixed, model: says}}",
    "",
  ].join("\n");
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function ready(url, program) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (program.exitCode !== null) throw new Error(`the gateway ended with ${program.exitCode}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers at ${url}`);
}

/** Counts the requests that ended so far, by labels of the metric. */
async function count(admin, labels) {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  const found = text.split("\n").filter((line) => line.startsWith("xietong_requests_total{"));
  const ours = found.filter((line) => wanted.every((label) => line.includes(label)));
  return ours.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Runs what leaves an answer under way, and waits until the gateway has counted it as abandoned. */
async function abandoned(admin, leave) {
  const before = await count(admin, { outcome: "abandoned" });
  await leave();
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if ((await count(admin, { outcome: "abandoned" })) > before) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the gateway has not seen the client leave");
}

/** A running gateway: its address, what it counted, and how to stop it. */
export async function start() {
  const upstream = spawn(join(bin, "scripted-upstream"), { stdio: ["ignore", "pipe", "inherit"] });
  const [base] = await new Promise((resolve) => {
    createInterface({ input: upstream.stdout }).once("line", (line) => resolve([line.trim()]));
  });
  const [data, admin] = [await freePort(), await freePort()];
  const file = join(mkdtempSync(join(tmpdir(), "gateway-")), "xietong.yaml");
  writeFileSync(file, configuration(base, data, admin), { mode: 0o600 });
  const gateway = spawn(join(bin, "xietong"), ["serve", "--config", file], { stdio: ["ignore", "ignore", "inherit"] });
  await ready(`http://127.0.0.1:${admin}/readyz`, gateway);
  const stop = () => {
    gateway.kill();
    upstream.kill();
  };
  const own = `http://127.0.0.1:${admin}`;
  return {
    address: `http://127.0.0.1:${data}`,
    count: (labels) => count(own, labels),
    abandoned: (leave) => abandoned(own, leave),
    stop,
  };
}
