"""What users' programs see through LlamaIndex."""

import asyncio

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from conftest import KEY

QUESTION = "What is the capital of France?"
ANSWER = "Paris is the capital of France."
CHAT = [ChatMessage(role="user", content=QUESTION)]


class City(BaseModel):
    """A city."""

    city: str
    millions: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


@pytest.fixture
def model(addresses):
    """A model as users have it, but for retries."""

    def model(name, **rest):
        asked = {"api_key": KEY, "max_retries": 0, "is_chat_model": True, "is_function_calling_model": True}
        return OpenAILike(model=name, api_base=f"{addresses[0]}/v1", **(asked | rest))

    return model


def test_whole(model):
    answer = model("auto").chat(CHAT)
    assert answer.message.content == ANSWER
    assert answer.raw.usage.completion_tokens > 0
    assert model("auto").complete(QUESTION).text == ANSWER


@pytest.mark.parametrize("name, text", [("auto", ANSWER), ("chinese", "巴黎是法国的首都。")])
def test_streamed(model, name, text):
    pieces = list(model(name).stream_chat(CHAT))
    assert "".join(piece.delta for piece in pieces) == text
    assert pieces[-1].message.content == text

    async def asynchronous():
        return [piece.delta async for piece in await model(name).astream_chat(CHAT)]

    assert "".join(asyncio.run(asynchronous())) == text


@pytest.mark.parametrize("stream", [False, True])
def test_tools(model, stream):
    tool = FunctionTool.from_defaults(get_weather)
    if stream:
        answer = list(model("calls").stream_chat_with_tools([tool], user_msg=QUESTION))[-1]
    else:
        answer = model("calls").chat_with_tools([tool], user_msg=QUESTION)
    (call,) = model("calls").get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "巴黎"})


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_runs_its_tool(model, stream):
    async def run():
        agent = FunctionAgent(tools=[get_weather], llm=model("loops"), streaming=stream)
        return await agent.run('Is it wet? CALL:get_weather:{"city":"巴黎"}')

    assert str(asyncio.run(run())) == "The tool gave: rain in 巴黎"


def test_structured_output(model):
    answer = model("fits", should_use_structured_outputs=True).as_structured_llm(City).chat(CHAT)
    assert answer.raw == City(city="巴黎", millions=2)


def test_embeddings(addresses):
    embeddings = OpenAILikeEmbedding(model_name="vectors", api_base=f"{addresses[0]}/v1", api_key=KEY, max_retries=0)
    assert embeddings.get_text_embedding_batch(["a", "b"]) == [[1.0, -0.5], [0.25, 2.0]]


@pytest.mark.parametrize(
    "name, error",
    [
        ("error-400", openai.BadRequestError),
        ("error-429", openai.RateLimitError),
        ("error-503", openai.InternalServerError),
        ("no-such-model", openai.NotFoundError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(model, name, error, stream):
    with pytest.raises(error):
        list(model(name).stream_chat(CHAT)) if stream else model(name).chat(CHAT)


def test_wrong_key(model):
    with pytest.raises(openai.AuthenticationError):
        model("auto", api_key="wrong").chat(CHAT)


def test_a_cut_stream_is_an_error(model):
    pieces = []
    with pytest.raises(openai.APIError):
        for piece in model("cut").stream_chat(CHAT):
            pieces.append(piece.delta)
    assert "".join(pieces) and ANSWER.startswith("".join(pieces))


@pytest.mark.parametrize("tries, asked", [(0, 1), (2, 2)])
def test_it_asks_again_by_its_own_count(model, counted, tries, asked):
    """It does not look at what the gateway says of that; its number is of all tries, but for 0."""
    before = counted(outcome="failed")
    with pytest.raises(openai.InternalServerError):
        model("error-503", max_retries=tries).chat(CHAT)
    assert counted(outcome="failed") == before + asked


def test_a_clients_timeout(model, abandoned):
    def leave():
        with pytest.raises(openai.APITimeoutError):
            model("obeys-slow1", timeout=0.3).complete("slow1:wait=5000")

    abandoned(leave)


def test_a_cancelled_stream(model, abandoned):
    async def leave():
        slow = [ChatMessage(role="user", content="slow1:pace=50 slow1:say=200")]
        stream = await model("obeys-slow1").astream_chat(slow)
        async for piece in stream:
            if piece.delta:
                break
        await stream.aclose()

    abandoned(lambda: asyncio.run(leave()))
