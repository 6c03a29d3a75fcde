"""OpenAI's own client beyond chats: responses, completions, embeddings."""

import json

import openai
import pytest

QUESTION = "What is the capital of France?"
ANSWER = "Paris is the capital of France."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def test_whole(client):
    response = client.responses.create(model="auto", input=QUESTION, instructions="Be brief.")
    assert (response.output_text, response.status, response.store) == (ANSWER, "completed", False)
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.usage.model_extra["cost"] > 0


@pytest.mark.parametrize("model, text", [("auto", ANSWER), ("chinese", "巴黎是法国的首都。")])
def test_streamed(client, model, text):
    with client.responses.stream(model=model, input=QUESTION) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == text
    assert final.usage.output_tokens > 0


def test_events_are_numbered(client):
    events = list(client.responses.create(model="auto", input=QUESTION, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_what_they_give_back(client, stream):
    asked = {"input": QUESTION, "tools": [WEATHER]}
    if stream:
        with client.responses.stream(model="calls", **asked) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(model="calls", **asked)
    call = response.output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "巴黎"})
    history = [{"role": "user", "content": QUESTION}] + [item.model_dump(exclude_none=True) for item in response.output]
    for item in history[1:]:
        item.pop("parsed_arguments", None)
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    echo = client.responses.create(model="echoes", input=history, tools=[WEATHER])
    sent = json.loads(echo.output_text)
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool"]
    assert sent["messages"][1]["tool_calls"][0]["id"] == sent["messages"][2]["tool_call_id"] == call.call_id
    assert sent["tools"][0]["function"]["strict"] is True


def test_structured_output(client):
    text = {"format": {"type": "json_schema", "name": "city", "schema": WEATHER["parameters"], "strict": True}}
    echo = client.responses.create(model="echoes", input=QUESTION, text=text, reasoning={"effort": "low"})
    sent = json.loads(echo.output_text)
    assert sent["response_format"]["json_schema"]["schema"] == WEATHER["parameters"]
    assert sent["reasoning_effort"] == "low"


def test_reasoning(client):
    response = client.responses.create(model="thinks", input=QUESTION)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text == "France, so Paris."


@pytest.mark.parametrize(
    "model, error, status",
    [
        ("error-400", openai.BadRequestError, 400),
        ("error-429", openai.RateLimitError, 429),
        ("error-503", openai.InternalServerError, 503),
        ("no-such-model", openai.NotFoundError, 404),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(client, model, error, status, stream):
    with pytest.raises(error) as raised:
        client.responses.create(model=model, input=QUESTION, stream=stream)
    assert raised.value.status_code == status
    with pytest.raises(error):
        client.completions.create(model=model, prompt=QUESTION, stream=stream)


@pytest.mark.parametrize("wrong", [{"previous_response_id": "resp_1"}, {"tools": [{"type": "web_search"}]}, {"background": True}])
def test_what_is_not_offered_is_named(client, wrong):
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="auto", input=QUESTION, **wrong)
    assert raised.value.param.startswith(list(wrong)[0])


def test_nothing_is_stored(client):
    response = client.responses.create(model="auto", input=QUESTION, store=True)
    assert response.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_cut_stream_is_an_error(client):
    texts = []
    with pytest.raises(openai.APIError):
        for event in client.responses.create(model="cut", input=QUESTION, stream=True):
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
            assert event.type != "response.completed"
    assert texts and ANSWER.startswith("".join(texts))


def test_completions(client):
    whole = client.completions.create(model="auto", prompt=QUESTION, max_tokens=50)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (ANSWER, "stop")
    chunks = list(client.completions.create(model="auto", prompt=QUESTION, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == ANSWER
    echoed = client.completions.create(model="auto", prompt=QUESTION, echo=True)
    assert echoed.choices[0].text == QUESTION + ANSWER


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_embeddings(client, form):
    answer = client.embeddings.create(model="vectors", input=["a", "好"], **form)
    vectors = [item.embedding for item in answer.data]
    if form.get("encoding_format") == "base64":
        assert vectors == ["AACAPwAAAL8=", "AACAPgAAAEA="]
    else:
        # Unless told otherwise the client asks for base64, and reads it.
        assert vectors == [[1.0, -0.5], [0.25, 2.0]]
    assert answer.usage.prompt_tokens == 4 and answer.usage.model_extra["cost"] > 0


def test_who_makes_no_embeddings_says_so(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="says", input="a")
    assert raised.value.code == "unsupported_by_models"
