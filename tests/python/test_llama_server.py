"""A real server behind the gateway, by both APIs that it speaks: llama.cpp's own, with the smallest weights."""

import json
import os
import pathlib
import subprocess
import sys
import time

import openai
import pytest

from conftest import BIN, ROOT, free_port, wait_until_ready

WEIGHTS = pathlib.Path(os.environ.get("XIETONG_MODELS", ROOT / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"
# The same weights, asked by OpenAI's API and by Anthropic's.
MODELS = ["llama", "claude"]
GREEDY = {"temperature": 0, "max_tokens": 24}
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name three colours."}]


def configuration(server: str, data: int, admin: int) -> str:
    """Two models at one server, and a cascade from one to the other."""
    return f"""
listen: 127.0.0.1:{data}
admin: 127.0.0.1:{admin}
models:
  - {{name: llama, preset: llama.cpp, base_url: "{server}/v1", model: smollm, price: {{input: 1, output: 2}}}}
  - name: claude
    provider: anthropic
    base_url: "{server}"
    model: smollm
    local: true
    max_output: 40
    price: {{input: 1, cached_input: 0.5, output: 2}}
routes:
  - {{name: auto, ladder: [llama, claude], policy: {{kind: cascade, policy: {{kind: fixed, model: llama}}}}}}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """OpenAI's client of a gateway in front of the server."""
    if not WEIGHTS.is_file():
        assert "CI" not in os.environ, f"{WEIGHTS} is missing"
        pytest.skip(f"no weights at {WEIGHTS}")
    program = [sys.executable, pathlib.Path(__file__).with_name("llama_server.py"), WEIGHTS]
    server = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    gateway = None
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        data, admin = free_port(), free_port()
        file = tmp_path_factory.mktemp("llama") / "xietong.yaml"
        file.write_text(configuration(address, data, admin))
        gateway = subprocess.Popen([BIN / "xietong", "serve", "--config", file], stdout=subprocess.DEVNULL)
        wait_until_ready(f"http://127.0.0.1:{admin}/readyz", gateway)
        with openai.OpenAI(base_url=f"http://127.0.0.1:{data}/v1", api_key="none", max_retries=0) as client:
            yield client
    finally:
        for program in filter(None, [gateway, server]):
            program.kill()
            program.wait()


def streamed(client, **asked):
    """The chunks of a streamed answer, with the usage in the last."""
    return list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked))


def text(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("model", MODELS)
def test_whole_and_streamed_say_the_same(client, model):
    whole = client.chat.completions.create(model=model, messages=QUESTION, **GREEDY)
    said = whole.choices[0].message.content
    assert said and whole.choices[0].finish_reason in ("stop", "length")
    chunks = streamed(client, model=model, messages=QUESTION, **GREEDY)
    assert text(chunks) == said
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert finishes == [whole.choices[0].finish_reason]
    for usage in (whole.usage, chunks[-1].usage):
        assert usage.prompt_tokens > 10 and 1 <= usage.completion_tokens <= 24
        assert "estimated" not in usage.model_extra and usage.model_extra["cost"] > 0


def test_both_apis_say_the_same(client):
    answers = [client.chat.completions.create(model=model, messages=QUESTION, **GREEDY) for model in MODELS]
    first, second = answers
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.choices[0].finish_reason == second.choices[0].finish_reason
    assert first.usage.prompt_tokens == second.usage.prompt_tokens
    assert first.usage.completion_tokens == second.usage.completion_tokens


@pytest.mark.parametrize("model", MODELS)
def test_limits_and_stop_texts_reach_the_server(client, model):
    asked = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": "Count from one to ten."}]}
    short = client.chat.completions.create(max_tokens=3, **asked)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 3)
    said = client.chat.completions.create(max_tokens=24, **asked).choices[0].message.content
    word = said.split()[2]
    cut = client.chat.completions.create(max_tokens=24, stop=[word], **asked).choices[0]
    assert (cut.finish_reason, cut.message.content) == ("stop", said[: said.index(word)])


def test_without_a_limit_the_models_own_holds(client):
    """Anthropic's API wants one; it is the configuration's."""
    story = [{"role": "user", "content": "Tell a very long story about the sea, in many chapters."}]
    answer = client.chat.completions.create(model="claude", messages=story, temperature=0)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 40)


@pytest.mark.parametrize("model", MODELS)
def test_tools_are_called_and_what_they_gave_back_is_read(client, model):
    """After the example of one call these weights make the same call again."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]
    call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    messages = [
        {"role": "user", "content": "Weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny, 31 degrees"},
    ]
    asked = {"model": model, "messages": messages, "tools": tools, **GREEDY}
    whole = client.chat.completions.create(**asked)
    assert whole.choices[0].finish_reason == "tool_calls"
    made = whole.choices[0].message.tool_calls
    assert [(it.function.name, json.loads(it.function.arguments)) for it in made] == [("get_weather", {"city": "Paris"})]
    chunks = streamed(client, **asked)
    pieces = [it for chunk in chunks for choice in chunk.choices for it in choice.delta.tool_calls or []]
    assert pieces[0].function.name == "get_weather" and pieces[0].id
    assert json.loads("".join(it.function.arguments or "" for it in pieces)) == {"city": "Paris"}
    bare = client.chat.completions.create(model=model, messages=messages[:1], **GREEDY)
    assert whole.usage.prompt_tokens > bare.usage.prompt_tokens + 30, "the call and its result were read"


def test_a_schema_holds(client):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    asked = {"messages": [{"role": "user", "content": "How old is Ann, who is seven?"}], "response_format": form}
    answer = client.chat.completions.create(model="llama", temperature=0, max_tokens=40, **asked)
    assert answer.choices[0].message.content.replace(" ", "").replace("\n", "").startswith('{"age":')


def test_log_probabilities_are_for_who_asks(client):
    """The cascade asks for them to judge the answer; the client sees only its own."""
    plain = client.chat.completions.create(model="auto", messages=QUESTION, **GREEDY)
    assert plain.choices[0].logprobs is None
    asked = client.chat.completions.create(model="llama", messages=QUESTION, logprobs=True, **GREEDY)
    assert len(asked.choices[0].logprobs.content) == asked.usage.completion_tokens
    with pytest.raises(openai.BadRequestError, match="logprobs"):
        client.chat.completions.create(model="claude", messages=QUESTION, logprobs=True, **GREEDY)


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt_that_is_too_long_is_said_to_be(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 3000}])
    assert "context size" in str(refused.value)


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_frees_the_server(client, model):
    """It has one place; a request that nobody reads any more would hold it for hundreds of tokens."""
    story = [{"role": "user", "content": "Tell a very long story about the sea, in many chapters."}]
    with client.chat.completions.create(model=model, messages=story, stream=True, max_tokens=1500) as chunks:
        next(iter(chunks))
    left = time.monotonic()
    client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=1)
    assert time.monotonic() - left < 5
