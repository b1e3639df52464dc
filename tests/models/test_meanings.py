"""What providers say when they refuse, in their own words, and what it means. Each is what one of them was seen to say."""

import pytest
from providers import Telling, at, refusal, run, usual

import ppres as pp
from ppres.models import meanings
from ppres.models.faults import _pause, plain, told

SAID = {
    "content_filter": [
        (400, {"error": {"code": 400, "message": "rejected: considered high risk", "param": "prompt", "type": "content_filter"}}),
        (400, {"error": {"message": "The request was rejected because it was considered high risk", "type": "x"}}),
        (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error", "code": "invalid_request_error"}}),
        (400, {"error": {"message": "inappropriate content", "type": "data_inspection_failed", "code": "data_inspection_failed"}}),
        (400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}),
        (400, {"error": {"message": "sensitive", "code": "1301"}, "contentFilter": [{"role": "user", "level": 1}]}),
        (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
        (
            403,
            {
                "code": "The caller does not have permission to execute the specified operation",
                "error": "Content violates usage guidelines. API key ID: k, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO",
            },
        ),
        (
            403,
            {
                "error": {
                    "message": "Input flagged",
                    "code": 403,
                    "metadata": {"reasons": ["x"], "flagged_input": "...", "provider_name": "p", "model_slug": "a/b"},
                }
            },
        ),
        (403, {"error": {"message": "openai/gpt-4o requires moderation on OpenAI. Your input was flagged.", "code": 403}}),
        (
            400,
            {
                "error": {
                    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                    "code": "content_filter",
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
                }
            },
        ),
        (
            400,
            {
                "error": {
                    "message": "Invalid prompt: it was flagged as potentially violating our usage policy",
                    "code": "invalid_prompt",
                }
            },
        ),
        (
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}},
        ),
        (400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "The request failed."}}),
        (400, {"error": {"code": "SensitiveContentDetected.SevereViolation", "message": "The request failed."}}),
        (200, {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
        (451, {"error": {"message": "The content you provided or machine outputted is blocked.", "type": "censorship_blocked"}}),
        (500, {"error": {"message": "The input or output contains unsafe content", "type": "x"}}),
    ],
    "token_limit": [
        (
            400,
            {
                "error": {
                    "message": "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)",
                    "type": "x",
                }
            },
        ),
        (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}),
        (400, {"error": {"message": "This model's maximum prompt length is 131072 but the request contains 140000 tokens."}}),
        (400, {"error": "The number of tokens to keep from the initial prompt is greater than the context length."}),
        (400, {"error": {"message": "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens"}}),
        (400, {"error": {"message": "x", "code": "context_length_exceeded", "type": "invalid_request_error"}}),
        (400, {"error": {"message": "Your input exceeds the context window of this model. Please adjust your input"}}),
        (
            400,
            {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "n_ctx": 4096}},
        ),
        (500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
        (
            400,
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
            },
        ),
        (400, {"error": {"message": "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000"}}),
        (413, {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
        (413, "<html>413 Request Entity Too Large</html>"),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
                    "status": "INVALID_ARGUMENT",
                }
            },
        ),
        (400, {"message": "Input is too long for requested model."}),
        (
            400,
            {"object": "error", "message": "Prompt contains 140000 tokens, too large for model with 131072 maximum context length"},
        ),
        (400, {"object": "error", "message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096."}),
        (400, {"error": {"message": "Range of input length should be [1, 129024]", "code": "invalid_parameter_error"}}),
        (400, {"error": {"message": "Please reduce the length of the messages or completion.", "param": "messages"}}),
        (400, {"error": {"message": "The input (140000 tokens) is longer than the model's context length (131072 tokens)."}}),
        (200, {"choices": None, "base_resp": {"status_code": 1039, "status_msg": "token limit"}}),
    ],
    "credit": [
        (
            400,
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."},
            },
        ),
        (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}),
        (
            402,
            {
                "error": {
                    "message": "This request requires more credits, or fewer max_tokens. You can only afford 92985.",
                    "code": 402,
                }
            },
        ),
        (402, {}),
        (429, {"error": {"message": "You exceeded your current quota, please check your plan.", "code": "insufficient_quota"}}),
        (429, {"error": {"message": "Your account is suspended, please check it", "type": "exceeded_current_quota_error"}}),
        (429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}),
        (429, {"error": {"code": "1113", "message": "您的账户已欠费，请充值后重试"}}),
        (400, {"error": {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}}),
        (403, {"error": "Your team t has either used all available credits or reached its monthly spending limit.", "code": "x"}),
        (403, {"error": {"message": "Key limit exceeded (total limit). Manage it in the settings", "code": 403}}),
        (200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        (200, {"error": {"message": "Insufficient credits. Add more", "code": 402}}),
    ],
    "model": [
        (401, {"error": {"message": "content filter, context length and credit balance", "type": "x"}}),
        (400, {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}),
        (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xai-***."}),
        (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}),
        (400, {"error": {"message": "Unable to access non-serverless model a/b. Please visit …", "code": "model_not_available"}}),
        (400, {"error": {"message": "The dedicated endpoint for a/b is not running.", "code": "dedicated_endpoint_not_running"}}),
        (400, {"error": {"message": "gateway: Unable to access non-serverless model a/b.", "type": "invalid_request_error"}}),
        (400, {"error": {"message": "x-ai/grok-9 is not a valid model ID", "code": 400}}),
        (404, {"error": {"message": "0 endpoints out of 1 are available matching your guardrail restrictions", "code": 404}}),
        (
            400,
            {
                "error": {
                    "message": "The model `llama3` has been decommissioned and is no longer supported.",
                    "code": "model_decommissioned",
                }
            },
        ),
        (
            400,
            {"error": {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}},
        ),
        (400, {"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}),
    ],
    "forbidden": [(403, {"error": {"message": "Forbidden"}}), (403, "<html>Sorry</html>")],
    "passing": [
        (429, {"error": {"message": "Rate limit reached for gpt-5: too many tokens per minute", "code": "rate_limit_exceeded"}}),
        (
            429,
            {
                "error": {
                    "code": 429,
                    "message": "You exceeded your current quota, please check your billing details. Please retry in 37.5s.",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [{"reason": "RATE_LIMIT_EXCEEDED"}, {"retryDelay": "37s"}],
                }
            },
        ),
        (429, {"message": "Too many tokens, please wait before trying again."}),
        (503, {"error": {"message": "The moderation service is down; context length unknown"}}),
        (500, {"error": {"message": "upstream billing service: credit balance not read"}}),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        (200, "<html>maintenance</html>"),
    ],
    "rejected": [
        (400, {"error": {"message": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"}}),
        (400, {"error": {"message": "Range of max_tokens should be [1, 8192]", "code": "invalid_parameter_error"}}),
        (
            400,
            {
                "type": "error",
                "error": {"message": "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens"},
            },
        ),
        (400, {"error": {"message": "Failed to call a function. See 'failed_generation'", "code": "tool_use_failed"}}),
        (400, {"error": {"message": "messages.3: tool_use ids must be unique", "type": "invalid_request_error"}}),
        (422, {"detail": [{"loc": ["body", "messages", 2], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}),
        (400, {}),
    ],
}
CASES = [(meaning, status, payload) for meaning, cases in SAID.items() for status, payload in cases]


@pytest.mark.parametrize(("meaning", "status", "payload"), CASES, ids=[f"{m}-{i}" for i, (m, *_) in enumerate(CASES)])
def test_what_providers_say_is_understood(meaning, status, payload):
    codes, words = told(payload)
    words = words or str(payload)
    inner = payload.get("error") if isinstance(payload, dict) else None
    if status == 200:  # what a provider says in spite of it
        status = inner.get("code") if isinstance(inner, dict) else None
    assert meanings.meaning(status, codes, words, _pause({}, f"{words} {payload}")) == meaning


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("meaning", ["content_filter", "token_limit", "credit", "rejected"])
def test_it_is_understood_over_http_as_well(meaning, step, cell):
    """litellm puts many of them into classes of its own, some of which say something else. Each is asked once."""
    cases = SAID[meaning][::step]
    with Telling(lambda body: cases[round(100 * body["temperature"])]) as server:
        models = [at(server, temperature=i / 100) for i in range(len(cases))]
        if meaning == "credit":
            with pytest.raises(pp.ModelError) as caught:
                run(cell, models, 1)
            assert str(caught.value).count("out of credit") == len(cases)
        else:
            wanted = "provider_error" if meaning == "rejected" else meaning
            assert dict(zip(run(cell, models, 1).stop_reason, cases, strict=True)).keys() == {wanted}
        assert len(server.requests) == len(cases)


def test_one_conversation_of_many_is_forbidden_and_the_others_go_on(cell):
    """A firewall before a provider takes offence at a text: nobody knows its words."""
    for temperature, which in enumerate((0, 4)):  # also where its is the model's first answer
        count = iter(range(1000))

        def answer(body, count=count, which=which):
            return refusal(403, message="Forbidden") if next(count) == which else usual(body)

        with Telling(answer) as server:
            frame = run(cell, at(server, temperature=temperature), 6, concurrency=1)
        assert sorted(frame.stop_reason) == ["ended"] * 5 + ["provider_error"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Please retry in 37.5s", 37.5),
        ("try again in 1m20s", 80),
        ("'retryDelay': '37s'", 37),
        ("try again in 500ms", 0.5),
        ("try again in 7h12m30.5s", 25_950.5),
        ("Please try again in 2h", 7_200),
        ("try again in 1h0m3s", 3_603),
        ("try again later", None),
    ],
)
def test_how_long_to_wait_is_read_where_it_is_said(said, seconds):
    assert _pause({}, said) == seconds


@pytest.mark.parametrize(("header", "least", "most"), [("3", 3, 3), ("-5", 0, 0), ("1e999", 86400, 86400), ("nan", None, None)])
def test_an_absurd_time_to_wait_is_bounded(header, least, most):
    pause = _pause({"retry-after": header}, "")
    assert (pause is None) if least is None else least <= pause <= most


@pytest.mark.parametrize(("exact", "seconds"), [("1500", 1.5), ("soon", 2), ("nan", 2), ("", 2), ("-5", 0)])
def test_milliseconds_to_wait_go_before_seconds_where_they_are_a_number(exact, seconds):
    assert _pause({"retry-after": "2", "retry-after-ms": exact}, "") == seconds


def test_the_password_of_a_proxy_is_told_nobody():
    words = plain(Exception("407 from http://me:hunter2@proxy:8080/ for http://host/v1"))
    assert words == "407 from http://[secret]@proxy:8080/ for http://host/v1"
