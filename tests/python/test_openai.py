"""What users' programs see through OpenAI's own client."""

import json

import openai
import pytest
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "Paris is the capital of France."


def test_whole(client):
    answer = client.chat.completions.create(model="auto", messages=QUESTION)
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.model_extra["cost"] > 0


@pytest.mark.parametrize("model, text", [("auto", ANSWER), ("chinese", "巴黎是法国的首都。")])
def test_streamed(client, model, text):
    chunks = list(client.chat.completions.create(model=model, messages=QUESTION, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_streamed_with_usage(client):
    chunks = list(
        client.chat.completions.create(
            model="hundred", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    last = chunks[-1]
    assert last.choices == [] and last.usage.completion_tokens == 100
    assert last.usage.model_extra["cost"] > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_tools(client):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]
    asked = {"messages": QUESTION, "tools": tools, "tool_choice": "auto"}
    echo = client.chat.completions.create(model="echoes", **asked)
    received = json.loads(echo.choices[0].message.content)
    assert received["tools"] == tools and received["tool_choice"] == "auto"

    answer = client.chat.completions.create(model="calls", **asked)
    call = answer.choices[0].message.tool_calls[0]
    assert (answer.choices[0].finish_reason, call.function.name) == ("tool_calls", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "巴黎"}

    chunks = client.chat.completions.create(model="calls", stream=True, **asked)
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert "".join(call.function.arguments for call in calls) == call.function.arguments


class City(BaseModel):
    city: str
    millions: int


def test_structured_output(client):
    answer = client.chat.completions.parse(model="fits", messages=QUESTION, response_format=City)
    assert answer.choices[0].message.parsed == City(city="巴黎", millions=2)


def test_unknown_fields_reach_the_upstream(client):
    extra = {"vendor_field": {"deep": [1, None, "中"]}, "top_k": 7}
    echo = client.chat.completions.create(model="echoes", messages=QUESTION, seed=5, extra_body=extra)
    received = json.loads(echo.choices[0].message.content)
    assert received["vendor_field"] == extra["vendor_field"]
    assert (received["top_k"], received["seed"], received["model"]) == (7, 5, "echoes")


@pytest.mark.parametrize(
    "model, error, status",
    [
        ("error-400", openai.BadRequestError, 400),
        ("error-422", openai.UnprocessableEntityError, 422),
        ("error-429", openai.RateLimitError, 429),
        ("error-500", openai.InternalServerError, None),
        ("error-503", openai.InternalServerError, None),
        # Faults of the gateway's own credentials and names are not the client's.
        ("error-401", openai.InternalServerError, 502),
        ("error-403", openai.InternalServerError, 502),
        ("error-404", openai.InternalServerError, 502),
        ("no-such-model", openai.NotFoundError, 404),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(client, model, error, status, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=QUESTION, stream=stream)
    assert raised.value.status_code == (status or raised.value.status_code)
    assert raised.value.message and raised.value.type and raised.value.code
    assert raised.value.response.headers["x-request-id"]


def test_wrong_key(client):
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="wrong").chat.completions.create(model="auto", messages=QUESTION)
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    "wrong", [{"messages": []}, {"messages": QUESTION, "temperature": "hot"}, {"messages": QUESTION, "n": 0}]
)
def test_bad_request(client, wrong):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="auto", **wrong)
    assert raised.value.param in wrong


def test_a_cut_stream_is_an_error(client):
    chunks = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model="cut", messages=QUESTION, stream=True):
            chunks.append(chunk)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text and ANSWER.startswith(text)


def test_the_client_does_not_retry_what_the_gateway_gave_up(client, counted):
    before = counted(outcome="failed")
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=2).chat.completions.create(model="gives-up", messages=QUESTION)
    assert counted(outcome="failed") == before + 1


def test_a_clients_timeout(client, abandoned):
    def leave():
        with pytest.raises(openai.APITimeoutError):
            slow = [{"role": "user", "content": "slow1:wait=5000"}]
            client.with_options(timeout=0.3).chat.completions.create(model="obeys-slow1", messages=slow)

    abandoned(leave)


def test_a_cancelled_stream(client, abandoned):
    def leave():
        slow = [{"role": "user", "content": "slow1:pace=50 slow1:say=200"}]
        with client.chat.completions.create(model="obeys-slow1", messages=slow, stream=True) as stream:
            next(chunk for chunk in stream if chunk.choices[0].delta.content)

    abandoned(leave)


def test_models(client):
    names = {model.id for model in client.models.list()}
    assert {"auto", "says", "hundred"} <= names
    assert client.models.retrieve("auto").id == "auto"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_headers(client):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=QUESTION, extra_headers={"x-request-id": "from-the-client-1"}
    )
    assert raw.headers["x-request-id"] == "from-the-client-1"
    assert raw.headers["x-xietong-model"] == "says"
    assert raw.headers["x-xietong-plan"] == "ask"
    assert float(raw.headers["x-xietong-cost"]) == raw.parse().usage.model_extra["cost"]
