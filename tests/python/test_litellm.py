"""What users' programs see through LiteLLM as a library, by both of its ways here: OpenAI's API and Anthropic's."""

import asyncio
import json
import os

import pytest
from pydantic import BaseModel

# Otherwise the library fetches a list of prices from the network when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # noqa: E402

from conftest import KEY

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "Paris is the capital of France."
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]


class City(BaseModel):
    city: str
    millions: int


@pytest.fixture(params=["openai", "anthropic"])
def ask(request, addresses):
    """Asks a model by one of the two APIs; retries are off unless asked for."""
    base = f"{addresses[0]}/v1" if request.param == "openai" else addresses[0]

    def ask(model, messages=QUESTION, **rest):
        asked = {"api_base": base, "api_key": KEY, "max_retries": 0, "messages": messages}
        return litellm.completion(model=f"{request.param}/{model}", **(asked | rest))

    return ask


def said(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_whole(ask):
    answer = ask("auto")
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model, text", [("auto", ANSWER), ("chinese", "巴黎是法国的首都。")])
def test_streamed(ask, model, text):
    chunks = list(ask(model, stream=True, stream_options={"include_usage": True}))
    assert said(chunks) == text
    whole = litellm.stream_chunk_builder(chunks)
    assert (whole.choices[0].finish_reason, whole.usage.completion_tokens > 0) == ("stop", True)


def test_asynchronous(addresses):
    async def run():
        asked = {"api_base": f"{addresses[0]}/v1", "api_key": KEY, "messages": QUESTION}
        stream = await litellm.acompletion(model="openai/auto", stream=True, **asked)
        return [chunk async for chunk in stream]

    assert said(asyncio.run(run())) == ANSWER


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_what_they_give_back(ask, stream):
    messages = [{"role": "user", "content": 'Is it wet? CALL:get_weather:{"city":"巴黎"}'}]
    answer = ask("loops", messages, tools=TOOLS, stream=stream)
    message = (litellm.stream_chunk_builder(list(answer)) if stream else answer).choices[0].message
    call = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "巴黎"})
    given = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    again = ask("loops", [*messages, message.model_dump(), given], tools=TOOLS)
    assert again.choices[0].message.content == "The tool gave: rain"


def test_structured_output(addresses):
    asked = {"api_base": f"{addresses[0]}/v1", "api_key": KEY, "messages": QUESTION}
    answer = litellm.completion(model="openai/fits", response_format=City, **asked)
    assert City.model_validate_json(answer.choices[0].message.content) == City(city="巴黎", millions=2)


def test_embeddings(addresses):
    answer = litellm.embedding(
        model="openai/vectors", input=["a", "b"], api_base=f"{addresses[0]}/v1", api_key=KEY
    )
    assert [item["embedding"] for item in answer.data] == [[1.0, -0.5], [0.25, 2.0]]


@pytest.mark.parametrize(
    "model, error",
    [
        ("error-400", litellm.BadRequestError),
        ("error-429", litellm.RateLimitError),
        # Of these two the library tells the first as the second where it speaks Anthropic's API.
        ("error-503", (litellm.ServiceUnavailableError, litellm.InternalServerError)),
        ("no-such-model", litellm.NotFoundError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(ask, model, error, stream):
    with pytest.raises(error):
        list(ask(model, stream=stream))


def test_wrong_key(ask):
    with pytest.raises(litellm.AuthenticationError):
        ask("auto", api_key="wrong")


def test_a_cut_stream_is_an_error(ask):
    chunks = []
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        for chunk in ask("cut", stream=True):
            chunks.append(chunk)
    assert said(chunks) and ANSWER.startswith(said(chunks))


def test_what_the_gateway_gave_up_is_not_asked_again(addresses, counted):
    before = counted(outcome="failed")
    with pytest.raises(litellm.ServiceUnavailableError):
        litellm.completion(
            model="openai/gives-up", messages=QUESTION, api_base=f"{addresses[0]}/v1", api_key=KEY, max_retries=2
        )
    assert counted(outcome="failed") == before + 1


def test_a_clients_timeout(ask, abandoned):
    def leave():
        with pytest.raises(litellm.Timeout):
            ask("obeys-slow1", [{"role": "user", "content": "slow1:wait=5000"}], timeout=0.3)

    abandoned(leave)


def test_a_cancelled_stream(addresses, abandoned):
    async def leave():
        asked = {"api_base": f"{addresses[0]}/v1", "api_key": KEY, "stream": True}
        slow = [{"role": "user", "content": "slow1:pace=50 slow1:say=200"}]
        stream = await litellm.acompletion(model="openai/obeys-slow1", messages=slow, **asked)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.aclose()

    abandoned(lambda: asyncio.run(leave()))
