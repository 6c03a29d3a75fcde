"""What users' programs see through Anthropic's own client, answered by models that speak OpenAI's dialect."""

import json

import anthropic
import pytest

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "Paris is the capital of France."
ASKED = {"max_tokens": 100, "messages": QUESTION}
WEATHER = {
    "name": "get_weather",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_whole(claude):
    message = claude.messages.create(model="auto", system="Be brief.", **ASKED)
    assert [block.text for block in message.content] == [ANSWER]
    assert (message.stop_reason, message.role, message.model) == ("end_turn", "assistant", "says")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    assert message.usage.model_extra["cost"] > 0
    assert message._request_id


@pytest.mark.parametrize("model, text", [("auto", ANSWER), ("chinese", "巴黎是法国的首都。")])
def test_streamed(claude, model, text):
    with claude.messages.stream(model=model, **ASKED) as stream:
        assert "".join(stream.text_stream) == text
        message = stream.get_final_message()
    assert (message.content[0].text, message.stop_reason) == (text, "end_turn")
    assert message.usage.output_tokens > 0


def test_raw_events(claude):
    names = [event.type for event in claude.messages.create(model="auto", stream=True, **ASKED)]
    assert names[:2] == ["message_start", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[2:-3]) == {"content_block_delta"}


def test_thinking(claude):
    asked = ASKED | {"max_tokens": 2048, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    whole = claude.messages.create(model="thinks", **asked)
    with claude.messages.stream(model="thinks", **asked) as stream:
        streamed = stream.get_final_message()
    for message in [whole, streamed]:
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert (message.content[0].thinking, message.content[1].text) == ("France, so Paris.", "Paris.")
    history = QUESTION + [{"role": "assistant", "content": whole.content}, {"role": "user", "content": "Sure?"}]
    echo = claude.messages.create(model="echoes", max_tokens=9, messages=history)
    assert json.loads(echo.content[0].text)["messages"][1]["reasoning_content"] == "France, so Paris."


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_what_they_give_back(claude, stream):
    asked = ASKED | {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    if stream:
        with claude.messages.stream(model="calls", **asked) as stream:
            message = stream.get_final_message()
    else:
        message = claude.messages.create(model="calls", **asked)
    call = message.content[-1]
    assert (message.stop_reason, call.type, call.name, call.input) == (
        "tool_use",
        "tool_use",
        "get_weather",
        {"city": "巴黎"},
    )
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "rain"}]}
    history = QUESTION + [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    echo = claude.messages.create(model="echoes", max_tokens=9, messages=history, tools=[WEATHER])
    sent = json.loads(echo.content[0].text)
    assert sent["messages"][1]["tool_calls"][0]["id"] == sent["messages"][2]["tool_call_id"] == call.id
    assert sent["messages"][2]["content"] == "rain"
    assert sent["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]


def test_images(claude):
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    echo = claude.messages.create(model="echoes", max_tokens=9, messages=[{"role": "user", "content": content}])
    parts = json.loads(echo.content[0].text)["messages"][0]["content"]
    assert parts[0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    "model, error, status",
    [
        ("error-400", anthropic.BadRequestError, 400),
        ("error-422", anthropic.UnprocessableEntityError, 422),
        ("error-429", anthropic.RateLimitError, 429),
        ("error-500", anthropic.InternalServerError, 502),
        ("error-503", anthropic.InternalServerError, 503),
        ("error-401", anthropic.InternalServerError, 502),
        ("no-such-model", anthropic.NotFoundError, 404),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(claude, model, error, status, stream):
    with pytest.raises(error) as raised:
        claude.messages.create(model=model, stream=stream, **ASKED)
    assert raised.value.status_code == status
    assert raised.value.body["type"] == "error" and raised.value.body["error"]["message"]
    assert raised.value.request_id


def test_keys(addresses, claude):
    with pytest.raises(anthropic.AuthenticationError) as raised:
        claude.with_options(api_key="wrong").messages.create(model="auto", **ASKED)
    assert raised.value.body["error"]["type"] == "authentication_error"
    # As Claude Code has it.
    with anthropic.Anthropic(base_url=addresses[0], auth_token="sk-team-key", max_retries=0) as client:
        assert client.messages.create(model="auto", **ASKED).content


@pytest.mark.parametrize("wrong", [{"messages": []}, {"max_tokens": 0}, {"tools": [{"type": "bash_20250124", "name": "bash"}]}])
def test_bad_requests_name_the_field(claude, wrong):
    with pytest.raises(anthropic.BadRequestError) as raised:
        claude.messages.create(model="auto", **(ASKED | wrong))
    assert list(wrong)[0] in raised.value.body["error"]["message"]


def test_a_cut_stream_is_an_error(claude):
    texts = []
    with pytest.raises(anthropic.APIError):
        with claude.messages.stream(model="cut", **ASKED) as stream:
            for text in stream.text_stream:
                texts.append(text)
    assert texts and ANSWER.startswith("".join(texts))


def test_a_clients_timeout(claude, abandoned):
    def leave():
        slow = [{"role": "user", "content": "slow1:wait=5000"}]
        with pytest.raises(anthropic.APITimeoutError):
            claude.with_options(timeout=0.3).messages.create(model="obeys-slow1", max_tokens=9, messages=slow)

    abandoned(leave)


def test_a_cancelled_stream(claude, abandoned):
    def leave():
        slow = [{"role": "user", "content": "slow1:pace=50 slow1:say=200"}]
        with claude.messages.stream(model="obeys-slow1", max_tokens=900, messages=slow) as stream:
            next(stream.text_stream)

    abandoned(leave)


def test_what_the_gateway_gave_up_is_not_asked_again(claude, counted):
    before = counted(outcome="failed")
    with pytest.raises(anthropic.InternalServerError):
        claude.with_options(max_retries=2).messages.create(model="gives-up", **ASKED)
    assert counted(outcome="failed") == before + 1


def test_count_tokens(claude):
    few = claude.messages.count_tokens(model="auto", messages=QUESTION).input_tokens
    more = claude.messages.count_tokens(model="auto", messages=QUESTION, tools=[WEATHER], system="Be brief.").input_tokens
    assert 5 < few < more


def test_models(claude):
    names = [model.id for model in claude.models.list()]
    assert {"auto", "says"} <= set(names)
    assert claude.models.retrieve("auto").display_name == "auto"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("no-such-model")
