// Claude Code in print mode against the real gateway. A proxy that refuses all stands for the rest of the network.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { KEY, start } from "./gateway.mjs";

const QUESTION = "What is the capital of France?";
const ANSWER = "Paris is the capital of France.";
// The package's own way to its binary where install scripts do not run.
const PROGRAM = join(import.meta.dirname, "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs");

let gateway, network, folder;
const strangers = [];

before(async () => {
  gateway = await start();
  network = createServer((socket) => {
    socket.once("data", (data) => strangers.push(data.toString("latin1").split("\r\n")[0]));
    socket.on("error", () => {}).end("HTTP/1.1 403 Forbidden\r\n\r\n");
  }).listen(0, "127.0.0.1");
  await once(network, "listening");
  folder = mkdtempSync(join(tmpdir(), "claude-code-"));
});
after(() => {
  gateway.stop();
  network.close();
  rmSync(folder, { recursive: true, force: true });
});

function environment(model, rest) {
  const proxy = `http://127.0.0.1:${network.address().port}`;
  return {
    PATH: process.env.PATH,
    HOME: folder,
    ANTHROPIC_BASE_URL: gateway.address,
    ANTHROPIC_AUTH_TOKEN: KEY,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_TELEMETRY: "1",
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    NO_PROXY: "127.0.0.1",
    ...rest,
  };
}

function launch(model, prompt, { options = [], rest = {} } = {}) {
  const program = spawn(process.execPath, [PROGRAM, "-p", prompt, ...options], {
    cwd: folder,
    env: environment(model, rest),
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, which is interrupted as a terminal does it.
    detached: true,
  });
  program.text = "";
  program.stdout.setEncoding("utf8").on("data", (data) => (program.text += data));
  program.faults = "";
  program.stderr.setEncoding("utf8").on("data", (data) => (program.faults += data));
  return program;
}

/** What it says at its end, in JSON, and its exit code. */
async function ask(model, prompt, { options = [], rest } = {}) {
  const program = launch(model, prompt, { options: ["--output-format", "json", ...options], rest });
  const [code] = await once(program, "close");
  assert.deepEqual(strangers, [], "it asks nobody but the gateway");
  assert.ok(program.text, program.faults);
  return { code, ...JSON.parse(program.text) };
}

test("claude: a whole answer", async () => {
  const answer = await ask("auto", QUESTION);
  assert.deepEqual([answer.code, answer.is_error, answer.result], [0, false, ANSWER]);
  assert.ok(answer.usage.output_tokens > 0);
});

test("claude: a streamed answer", async () => {
  const options = ["--output-format", "stream-json", "--verbose", "--include-partial-messages"];
  const program = launch("chinese", QUESTION, { options });
  await once(program, "close");
  const events = program.text.trim().split("\n").map((line) => JSON.parse(line));
  const pieces = events.filter((event) => event.type === "stream_event").map((event) => event.event.delta?.text ?? "");
  assert.equal(pieces.join(""), "巴黎是法国的首都。");
  assert.ok(pieces.filter(Boolean).length > 1, "in pieces");
});

test("claude: reads a file and answers", async () => {
  const file = join(folder, "note.txt");
  writeFileSync(file, "The key is under the third flowerpot.\n");
  const answer = await ask("loops", `CALL:Read:${JSON.stringify({ file_path: file })}`);
  assert.deepEqual([answer.code, answer.is_error, answer.num_turns], [0, false, 2]);
  assert.match(answer.result, /^The tool gave: .*under the third flowerpot/s);
});

test("claude: structured output", async () => {
  const schema = JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] });
  const answer = await ask("loops", 'CALL:StructuredOutput:{"city":"巴黎"}', { options: ["--json-schema", schema] });
  assert.deepEqual([answer.is_error, answer.structured_output], [false, { city: "巴黎" }]);
});

test("claude: errors", async () => {
  // It would ask ten more times after 503 and 401, and does not look at what the gateway says of that.
  const rest = { CLAUDE_CODE_MAX_RETRIES: "0" };
  for (const [model, status] of [["error-400", 400], ["nobody", 404], ["error-503", 503]]) {
    const answer = await ask(model, QUESTION, { rest });
    assert.deepEqual([model, answer.code, answer.is_error, answer.api_error_status], [model, 1, true, status]);
  }
  const wrong = await ask("auto", QUESTION, { rest: { ...rest, ANTHROPIC_AUTH_TOKEN: "wrong" } });
  assert.deepEqual([wrong.code, wrong.is_error, wrong.api_error_status], [1, true, 401]);
});

test("claude: retries", async () => {
  const before = await gateway.count({ outcome: "failed" });
  await ask("error-503", QUESTION, { rest: { CLAUDE_CODE_MAX_RETRIES: "1" } });
  assert.equal(await gateway.count({ outcome: "failed" }), before + 2);
});

test("claude: a stream that is cut is not taken for an answer", async () => {
  const before = await gateway.count({ outcome: "cut" });
  // It asks again, for a whole answer.
  const answer = await ask("cut", QUESTION);
  assert.deepEqual([answer.code, answer.result], [0, ANSWER]);
  assert.equal(await gateway.count({ outcome: "cut" }), before + 1);
});

test("claude: its timeout", async () => {
  const rest = { API_TIMEOUT_MS: "1000", CLAUDE_CODE_MAX_RETRIES: "0" };
  await gateway.abandoned(async () => {
    const answer = await ask("obeys-slow1", "slow1:wait=20000", { rest });
    assert.deepEqual([answer.code, answer.is_error], [1, true]);
  });
});

test("claude: an answer that is interrupted", async () => {
  const options = ["--output-format", "stream-json", "--verbose", "--include-partial-messages"];
  const program = launch("obeys-slow1", "slow1:pace=50 slow1:say=600", { options });
  await gateway.abandoned(async () => {
    while (!program.text.includes("word3")) await once(program.stdout, "data");
    process.kill(-program.pid, "SIGINT");
    await once(program, "close");
  });
});
