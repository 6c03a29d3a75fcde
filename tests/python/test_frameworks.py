"""What users' programs see through what they are built with."""

import asyncio
import os
import subprocess
import sys

import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from conftest import KEY

QUESTION = "What is the capital of France?"
ANSWER = "Paris is the capital of France."


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


@pytest.mark.parametrize("responses", [False, True])
def test_langchain(addresses, responses):
    def model(name):
        return ChatOpenAI(
            base_url=f"{addresses[0]}/v1", api_key=KEY, model=name, max_retries=0, use_responses_api=responses
        )

    assert model("auto").invoke(QUESTION).text == ANSWER
    assert "".join(chunk.text for chunk in model("auto").stream(QUESTION)) == ANSWER
    call = model("calls").bind_tools([get_weather]).invoke(QUESTION).tool_calls[0]
    assert (call["name"], call["args"]) == ("get_weather", {"city": "巴黎"})


@pytest.mark.parametrize("responses", [False, True])
def test_langchain_structured_output(addresses, responses):
    model = ChatOpenAI(base_url=f"{addresses[0]}/v1", api_key=KEY, model="fits", use_responses_api=responses)
    assert model.with_structured_output(City).invoke(QUESTION) == City(city="巴黎")


def test_langchain_embeddings(addresses):
    embeddings = OpenAIEmbeddings(
        base_url=f"{addresses[0]}/v1", api_key=KEY, model="vectors", check_embedding_ctx_length=False
    )
    assert embeddings.embed_documents(["a", "b"]) == [[1.0, -0.5], [0.25, 2.0]]


class City(BaseModel):
    city: str


def pydantic_models(base: str, name: str):
    provider = OpenAIProvider(base_url=f"{base}/v1", api_key=KEY)
    anthropic = AnthropicProvider(base_url=base, api_key=KEY)
    return [
        OpenAIChatModel(name, provider=provider),
        OpenAIResponsesModel(name, provider=provider),
        AnthropicModel(name, provider=anthropic),
    ]


@pytest.mark.parametrize("dialect", range(3))
def test_pydantic_ai(addresses, dialect):
    agent = Agent(pydantic_models(addresses[0], "auto")[dialect])
    answer = agent.run_sync(QUESTION)
    assert answer.output == ANSWER
    assert answer.usage.output_tokens > 0

    async def streamed():
        async with agent.run_stream(QUESTION) as stream:
            return [text async for text in stream.stream_text(delta=True)]

    assert "".join(asyncio.run(streamed())) == ANSWER


@pytest.mark.parametrize("dialect", range(3))
def test_pydantic_ai_runs_a_tool(addresses, dialect):
    agent = Agent(pydantic_models(addresses[0], "loops")[dialect])
    agent.tool_plain(get_weather.func)
    answer = agent.run_sync('Is it wet? CALL:get_weather:{"city":"巴黎"}')
    assert answer.output == "The tool gave: rain in 巴黎"


# With Anthropic's API it knows by the model's name whether there is such a thing.
@pytest.mark.parametrize("dialect", range(2))
def test_pydantic_ai_structured_output(addresses, dialect):
    agent = Agent(pydantic_models(addresses[0], "fits")[dialect], output_type=NativeOutput(City))
    assert agent.run_sync(QUESTION).output == City(city="巴黎")


def test_the_llm_command(addresses, tmp_path):
    model = f"- model_id: gateway\n  model_name: auto\n  api_base: {addresses[0]}/v1\n  api_key_name: gateway\n"
    (tmp_path / "extra-openai-models.yaml").write_text(model)
    environment = os.environ | {"LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""}
    for options in [[], ["--no-stream"]]:
        ask = [sys.executable, "-m", "llm", "-m", "gateway", "--key", KEY, *options, QUESTION]
        answer = subprocess.run(ask, env=environment, capture_output=True, text=True, timeout=60)
        assert answer.stdout.strip() == ANSWER, answer.stderr
