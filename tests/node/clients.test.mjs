// What users' programs see through the clients that they have in JavaScript.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";

import { KEY, start } from "./gateway.mjs";

const QUESTION = "What is the capital of France?";
const ANSWER = "Paris is the capital of France.";
const MESSAGES = [{ role: "user", content: QUESTION }];
const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

let gateway, openai, claude;

before(async () => {
  gateway = await start();
  openai = new OpenAI({ baseURL: `${gateway.address}/v1`, apiKey: KEY, maxRetries: 0 });
  claude = new Anthropic({ baseURL: gateway.address, apiKey: KEY, maxRetries: 0 });
});
after(() => gateway.stop());

async function all(stream) {
  const list = [];
  for await (const piece of stream) list.push(piece);
  return list;
}

test("openai: chats", async () => {
  const whole = await openai.chat.completions.create({ model: "auto", messages: MESSAGES });
  assert.equal(whole.choices[0].message.content, ANSWER);
  assert.ok(whole.usage.cost > 0);
  const chunks = await all(await openai.chat.completions.create({ model: "chinese", messages: MESSAGES, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), "巴黎是法国的首都。");
});

test("openai: responses", async () => {
  const whole = await openai.responses.create({ model: "auto", input: QUESTION });
  assert.equal(whole.output_text, ANSWER);
  const events = await all(await openai.responses.create({ model: "auto", input: QUESTION, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  assert.equal(events.at(-1).response.output[0].content[0].text, ANSWER);
  const tools = [{ type: "function", name: "get_weather", parameters: CITY, strict: false }];
  const called = await openai.responses.stream({ model: "calls", input: QUESTION, tools }).finalResponse();
  assert.deepEqual(JSON.parse(called.output.at(-1).arguments), { city: "巴黎" });
});

test("openai: embeddings and completions", async () => {
  const { data } = await openai.embeddings.create({ model: "vectors", input: ["a", "b"] });
  assert.deepEqual(data.map((item) => [...item.embedding]), [[1, -0.5], [0.25, 2]]);
  const { choices } = await openai.completions.create({ model: "auto", prompt: QUESTION });
  assert.equal(choices[0].text, ANSWER);
});

test("openai: structured output", async () => {
  const form = { type: "json_schema", json_schema: { name: "city", strict: true, schema: CITY } };
  const asked = { model: "fits", messages: MESSAGES, response_format: form };
  const { choices } = await openai.chat.completions.parse(asked);
  assert.deepEqual(choices[0].message.parsed, { city: "巴黎" });
});

test("openai: timeouts, cancelled streams and retries", async () => {
  const slow = (orders) => ({ model: "obeys-slow1", messages: [{ role: "user", content: orders }] });
  await gateway.abandoned(() =>
    assert.rejects(openai.chat.completions.create(slow("slow1:wait=5000"), { timeout: 300 }), OpenAI.APIConnectionTimeoutError),
  );
  await gateway.abandoned(async () => {
    const stream = await openai.chat.completions.create({ ...slow("slow1:pace=50 slow1:say=200"), stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  });
  const before = await gateway.count({ outcome: "failed" });
  const asked = { model: "error-503", messages: MESSAGES };
  await assert.rejects(openai.chat.completions.create(asked, { maxRetries: 2 }), OpenAI.InternalServerError);
  assert.equal(await gateway.count({ outcome: "failed" }), before + 1);
});

test("openai: errors", async () => {
  const ask = (model) => openai.responses.create({ model, input: QUESTION });
  await assert.rejects(ask("error-400"), OpenAI.BadRequestError);
  await assert.rejects(ask("error-429"), OpenAI.RateLimitError);
  await assert.rejects(ask("error-503"), OpenAI.InternalServerError);
  await assert.rejects(ask("nobody"), OpenAI.NotFoundError);
  await assert.rejects(
    async () => all(await openai.responses.create({ model: "cut", input: QUESTION, stream: true })),
    OpenAI.APIError,
  );
});

test("anthropic: messages", async () => {
  const asked = { max_tokens: 100, messages: MESSAGES };
  const whole = await claude.messages.create({ model: "auto", ...asked });
  assert.deepEqual([whole.content[0].text, whole.stop_reason], [ANSWER, "end_turn"]);
  const streamed = await claude.messages.stream({ model: "thinks", ...asked }).finalMessage();
  assert.deepEqual(streamed.content.map((block) => block.thinking ?? block.text), ["France, so Paris.", "Paris."]);
  const tools = [{ name: "get_weather", input_schema: CITY }];
  const called = await claude.messages.stream({ model: "calls", tools, ...asked }).finalMessage();
  assert.deepEqual([called.stop_reason, called.content.at(-1).input], ["tool_use", { city: "巴黎" }]);
  assert.ok((await claude.messages.countTokens({ model: "auto", messages: MESSAGES })).input_tokens > 5);
});

test("anthropic: errors", async () => {
  const ask = (model, stream) => claude.messages.create({ model, max_tokens: 9, messages: MESSAGES, stream });
  for (const stream of [false, true]) {
    await assert.rejects(ask("error-400", stream), Anthropic.BadRequestError);
    await assert.rejects(ask("error-429", stream), Anthropic.RateLimitError);
    await assert.rejects(ask("error-503", stream), Anthropic.InternalServerError);
    await assert.rejects(ask("nobody", stream), Anthropic.NotFoundError);
  }
  const wrong = new Anthropic({ baseURL: gateway.address, apiKey: "wrong", maxRetries: 0 });
  await assert.rejects(
    wrong.messages.create({ model: "auto", max_tokens: 9, messages: MESSAGES }),
    Anthropic.AuthenticationError,
  );
  await assert.rejects(async () => all(await ask("cut", true)), Anthropic.APIError);
});

test("anthropic: timeouts, cancelled streams and retries", async () => {
  const slow = (orders) => ({ model: "obeys-slow1", max_tokens: 900, messages: [{ role: "user", content: orders }] });
  await gateway.abandoned(() =>
    assert.rejects(claude.messages.create(slow("slow1:wait=5000"), { timeout: 300 }), Anthropic.APIConnectionTimeoutError),
  );
  await gateway.abandoned(async () => {
    const stream = await claude.messages.create({ ...slow("slow1:pace=50 slow1:say=200"), stream: true });
    for await (const event of stream) if (event.type === "content_block_delta") break;
  });
  const before = await gateway.count({ outcome: "failed" });
  const asked = { model: "error-503", max_tokens: 9, messages: MESSAGES };
  await assert.rejects(claude.messages.create(asked, { maxRetries: 2 }), Anthropic.InternalServerError);
  assert.equal(await gateway.count({ outcome: "failed" }), before + 1);
});

test("ai: a tool runs, and structured output", async () => {
  const xietong = createOpenAICompatible({
    name: "xietong",
    baseURL: `${gateway.address}/v1`,
    apiKey: KEY,
    supportsStructuredOutputs: true,
  });
  const get_weather = tool({ inputSchema: jsonSchema(CITY), execute: async ({ city }) => `rain in ${city}` });
  const prompt = 'Is it wet? CALL:get_weather:{"city":"巴黎"}';
  const asked = { model: xietong("loops"), prompt, tools: { get_weather }, stopWhen: stepCountIs(3) };
  assert.match((await generateText(asked)).text, /rain in 巴黎/);
  assert.match((await all(streamText(asked).textStream)).join(""), /rain in 巴黎/);
  const { object } = await generateObject({ model: xietong("fits"), schema: jsonSchema(CITY), prompt: QUESTION });
  assert.deepEqual(object, { city: "巴黎" });
});

test("ai: errors and cancelled streams", async () => {
  const xietong = createOpenAICompatible({ name: "xietong", baseURL: `${gateway.address}/v1`, apiKey: KEY });
  for (const [name, status] of [["error-400", 400], ["error-429", 429], ["nobody", 404]]) {
    const asked = { model: xietong(name), prompt: QUESTION, maxRetries: 0 };
    await assert.rejects(generateText(asked), (error) => APICallError.isInstance(error) && error.statusCode === status);
  }
  await gateway.abandoned(async () => {
    const abort = new AbortController();
    const slow = { model: xietong("obeys-slow1"), prompt: "slow1:pace=50 slow1:say=200", abortSignal: abort.signal };
    for await (const piece of streamText(slow).textStream) if (piece) abort.abort();
  });
});

test("ai: text, streams and tools", async () => {
  const xietong = createOpenAICompatible({ name: "xietong", baseURL: `${gateway.address}/v1`, apiKey: KEY });
  assert.equal((await generateText({ model: xietong("auto"), prompt: QUESTION })).text, ANSWER);
  const { textStream } = streamText({ model: xietong("auto"), prompt: QUESTION });
  assert.equal((await all(textStream)).join(""), ANSWER);
  const tools = { get_weather: tool({ inputSchema: jsonSchema(CITY) }) };
  const { toolCalls } = await generateText({ model: xietong("calls"), prompt: QUESTION, tools });
  assert.deepEqual(toolCalls[0].input, { city: "巴黎" });
});
