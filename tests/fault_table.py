"""In which ways a provider fails: a table, from public reports of what providers did, and what has to become of each."""

import gzip
from typing import Any, NamedTuple

from fault_ways import (
    after,
    body,
    call,
    calls,
    choice,
    counted,
    drip,
    instead,
    message,
    raw,
    redirect,
    retry_after,
    retry_date,
    said,
    same_id,
    usage,
    with_,
)

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Error</h1></body></html>"
PARTS = [{"type": "text", "text": "So "}, {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "be it."}]
THOUGHT = {"reasoning": "Hm.", "reasoning_content": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}
STREAM = b'data: {"choices":[{"delta":{"content":"So"}}]}\n\ndata: [DONE]\n\n'
MANY = [{"id": f"odd_{i}", "type": "function", "function": {"name": "x", "arguments": ""}} for i in range(200)]

# Of the transport: to be tried again until an answer comes.
PASSING = {
    # limits of a rate
    **{str(status): said(status) for status in (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)},
    "429_after": retry_after,
    "429_date": retry_date,
    "429_negative": said(429, None, {"Retry-After": "-5"}),
    "429_milliseconds": said(429, None, {"Retry-After": "259200", "Retry-After-Ms": "50"}),  # Azure's, which is the exact one
    "429_soon": said(429, None, {"Retry-After": "soon"}),
    "429_openai": said(429, "Rate limit reached for m on TPM. Please try again in 50ms.", code="rate_limit_exceeded"),
    "429_gemini": said(429, "You exceeded your current quota, check your billing details.", details=[{"retryDelay": "0.05s"}]),
    "429_openrouter": said(429, "Provider returned error", code=429, metadata={"raw": "m is rate-limited upstream"}),
    "429_anthropic": body(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "would exceed your limit"}}),
    "429_cloudflare": body(429, HTML, Content_Type="text/html"),
    "503_loading": said(503, "Loading model", type="unavailable_error", code=503),
    "529_anthropic": body(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "500_html": body(500, HTML, Content_Type="text/html"),
    "502_empty": body(502, b""),
    "500_list": body(500, [{"error": {"code": 500, "message": "An internal error has occurred."}}]),
    # connections
    "hang": after(None, instead(reset=True)),
    "drip": drip,
    "reset_before": instead(reset=True),
    "reset_middle": instead(OK + b"Content-Length: {n}\r\n\r\n{/}", reset=True),
    "closed": instead(),
    "closed_middle": instead(OK + b"Content-Length: {n}\r\n\r\n{/}"),
    "chunks_cut": instead(OK + b"Transfer-Encoding: chunked\r\n\r\n{x}\r\n{/}"),
    "chunk_of_no_size": instead(OK + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n{}\r\n0\r\n\r\n"),
    "no_http": instead(b"\x00\x01 hello\r\n\r\n"),
    "odd_status": instead(b"HTTP/1.1 OK\r\n\r\n{}"),
    "odd_header": instead(OK + b"no header\x00\r\nContent-Length: {n}\r\n\r\n{}"),
    "two_lengths": instead(OK + b"Content-Length: {n}\r\nContent-Length: 5\r\n\r\n{}"),
    "length_of_less_than_nothing": instead(OK + b"Content-Length: -5\r\n\r\n{}"),
    "length_and_chunks": instead(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{x}\r\n{}\r\n0\r\n\r\n"),
    "long_header": instead(OK + b"X: " + b"x" * 300_000 + b"\r\nContent-Length: {n}\r\n\r\n{}"),
    "no_gzip": raw(bytes, Content_Encoding="gzip"),
    "packed_unasked": raw(lambda told: told[::-1], Content_Encoding="br"),
    "cut_gzip": raw(lambda told: gzip.compress(told)[:-20], Content_Encoding="gzip"),
    # bodies
    "cut": raw(lambda told: told[: len(told) // 2]),
    "html": body(200, HTML, Content_Type="text/html"),
    "noise": body(200, bytes(range(256))),
    "nothing": body(200, b""),
    "204": body(204, b"", Content_Length=None),
    "blank_lines": body(200, b"\n\n\n\n"),  # DeepSeek's gateway, after it waited
    "null": body(200, b"null"),
    "list": body(200, b"[]"),
    "text": body(200, b'"ok"'),
    "twice": raw(lambda told: told + told),
    "stream": body(200, STREAM, Content_Type="text/event-stream"),
    "no_utf8": raw(lambda told: told[:-1] + b', "x": "\xff\xfe"}'),
    # replies without a reply
    "no_choices": body(200, {"id": "x", "object": "chat.completion"}),
    "empty_choices": with_(choices=[]),
    "null_choices": with_(choices=None),
    "text_choices": with_(choices=["x"]),
    "null_message": choice(message=None),
    "empty_text": choice(message={"role": "assistant", "content": ""}, finish_reason="stop"),
    "broken_off": choice(message={"role": "assistant", "content": "I will"}, finish_reason="network_error"),
    "error_in_200": body(200, {"error": {"message": "Overloaded", "code": 503}}),
    "error_in_choice": choice(error={"message": "Upstream died", "code": 502}, finish_reason="error"),
    "detail_in_200": body(200, {"detail": "Service busy"}),
    "limit_of_a_rate_in_200": body(200, {"error": "Rate limit exceeded, please slow down"}),
    "status_in_200": body(200, [{"error": {"message": "Overloaded"}, "status": "503"}]),
}
# Odd, and as good as any other reply.
HARMLESS = {
    "slow": after(0.2, lambda handler, reply: handler.answer(reply())),
    "blank_lines_first": counted(raw(lambda told: b"\n" * 500 + told)),
    "http10": counted(instead(b"HTTP/1.0 200 OK\r\n\r\n{}")),
    "no_reason": counted(instead(b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: {n}\r\n\r\n{}")),
    "early_hints": counted(instead(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK + b"Content-Length: {n}\r\n\r\n{}")),
    "continue": counted(instead(b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: {n}\r\n\r\n{}")),
    "chunked": counted(instead(OK + b"Transfer-Encoding: chunked\r\n\r\n{x}\r\n", b"{}\r\n0\r\n\r\n")),
    "in_pieces": counted(instead(OK + b"Content-Length: {n}\r\n\r\n", b"{/}", b"{2}", pause=0.02)),
    "gzip": counted(raw(gzip.compress, Content_Encoding="gzip")),
    "identity": counted(raw(bytes, Content_Encoding="identity")),
    "processing": counted(instead(b"HTTP/1.1 102 Processing\r\n\r\n" * 3, OK + b"Content-Length: {n}\r\n\r\n{}")),
    "trailers": counted(instead(OK + b"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n{x}\r\n", b"{}\r\n0\r\nX: y\r\n\r\n")),
    "comments": counted(raw(lambda told: b": OPENROUTER PROCESSING\n\n" * 3 + told)),
    "byte_order_mark": counted(raw(lambda told: b"\xef\xbb\xbf" + told)),
    "many_cookies": counted(raw(bytes, **{"Set_Cookie": "a=b; Path=/; " + "c" * 4_000})),
    "text_type": counted(raw(bytes, Content_Type="text/plain")),
    "html_type": counted(raw(bytes, Content_Type="text/html; charset=utf-8")),
    "no_type": counted(raw(bytes, Content_Type=None)),
    "many_headers": counted(raw(bytes, **{f"X_{i}": "x" * 50 for i in range(80)})),
    "null_error": with_(error=None),
    "more_fields": with_(debug={"trace": ["x"] * 100}, prompt_logprobs=None, kv_transfer_params=None),
    "a_megabyte_more": with_(debug="x" * 2**20),
    "no_id": with_(id=None, object=None, created=None, system_fingerprint=None),
    "long_id": with_(id="x" * 10_000, system_fingerprint="y" * 10_000),
    "odd_created": with_(created="2026-01-01T00:00:00Z"),
    "odd_model": with_(model={"name": "m"}, system_fingerprint=7),
    "no_usage": with_(usage=None),
    "negative_usage": usage(-1_000_000),
    "huge_usage": usage(10**400),
    "text_usage": usage("lots"),
    "nan_usage": usage(float("nan")),
    "no_finish": choice(finish_reason=None),
    "odd_finish": choice(finish_reason=5),
    "unknown_finish": choice(finish_reason="tool_call_end"),
    "no_index": choice(index=None, logprobs={"content": None}),
    "null_fields": message(refusal=None, function_call=None, audio=None, annotations=[], reasoning_content=None),
    "no_role": message(role=None),
}
# Of the model: kept as it is, and sent back so that a strict provider takes it.
DATA = {
    "null_content": message(content=None),
    "parts": message(content=PARTS),
    "half_character": message(content="\ud83d So be it."),
    "escapes": message(content="\x1b]0;x\x07\x1b[2J So be it.\u202e"),
    "long_text": message(content="So be it. " * 1_000),
    "reasoning": message(**THOUGHT),
    "list_reasoning": message(reasoning_content=["Hm."], reasoning={"a": "Hm."}),
    "old_function_call": message(function_call={"name": "open_a_door", "arguments": "{}"}),
    "cut_arguments": call("view_sheet", '{"name": "Evalu'),
    "wrong_type": call("view_sheet", '{"name": ["x", 7]}'),
    "list_arguments": call("view_sheet", "[1, 2]"),
    "object_arguments": call("view_sheet", {"name": 5}),
    "null_arguments": call("view_sheet", None),
    "number_arguments": call("view_sheet", 5),
    "twice_encoded_arguments": call("view_sheet", '"{\\"name\\": 5}"'),
    "nan_arguments": call("view_sheet", '{"name": NaN}'),
    "deep_arguments": call("view_sheet", '{"a":' * 2_000 + "1" + "}" * 2_000),
    "long_number": call("view_sheet", '{"name": ' + "9" * 5_000 + "}"),
    "half_character_in_arguments": call("view_sheet", '{"name": "\\ud83d"}'),
    "line_break_in_arguments": call("view_sheet", '{"name": "a\nb"}'),
    "unknown_tool": call("open_a_door"),
    "odd_name": call("functions.open a door!"),
    "long_name": call("open_" * 60),
    "no_name": call(None),
    "same_id": same_id,
    "no_id_of_a_call": call(id=None),
    "blank_id": call(id=""),
    "number_id": call(id=7),
    "long_id_of_a_call": call(id="x" * 10_000),
    "odd_type": call(type="tool", index="0"),
    "no_function": calls({"id": "odd_1", "type": "function"}),
    "flat_call": calls({"id": "odd_1", "name": "view_sheet", "arguments": {"name": 5}}),
    "null_call": calls(None),
    "text_call": calls("list_files()"),
    "many_calls": calls(*({"id": f"odd_{i}", "type": "function", "function": {"name": "x", "arguments": ""}} for i in range(200))),
}
# The end of a conversation: stop reason content_filter.
FILTERS = {
    "filter": said(400, "Filtered by our content management policy.", code="content_policy_violation"),
    "filter_azure": said(400, "Filtered", innererror={"code": "ResponsibleAIPolicyViolation"}),
    "filter_openrouter": said(403, "Input flagged", code=403, metadata={"reasons": ["x"], "flagged_input": "..."}),
    "filter_xai": said(403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
    "filter_glm": said(400, "sensitive", code="1301"),
    "filter_kimi": said(400, "The request was rejected because it was considered high risk", type="content_filter"),
    "filter_deepseek": said(400, "Content Exists Risk", type="invalid_request_error"),
    "filter_qwen": said(400, "Output data may contain inappropriate content.", code="data_inspection_failed"),
    "filter_in_200": body(200, {"error": {"message": "Input flagged by moderation", "code": 403}}),
    "filter_in_choice": choice(error={"message": "Output flagged by moderation", "code": 403}, finish_reason="error"),
    "filter_without_words": choice(message={"role": "assistant", "content": ""}, finish_reason="content_filter"),
    "filter_sensitive": choice(message={"role": "assistant", "content": ""}, finish_reason="sensitive"),
    "451": said(451),
}
# The end of a conversation: stop reason token_limit.
LIMITS = {
    "limit": said(400, "This model's maximum context length is 4096 tokens.", code="context_length_exceeded"),
    "limit_anthropic": body(400, {"type": "error", "error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
    "limit_vllm": body(400, {"object": "error", "message": "This model's maximum context length is 8192 tokens.", "code": 400}),
    "limit_llama_cpp": said(400, "the request exceeds the available context size", type="exceed_context_size_error", code=400),
    "limit_llama_cpp_500": said(500, "Context size has been exceeded.", type="server_error", code=500),
    "limit_lm_studio": body(400, {"error": "The number of tokens to keep from the prompt is greater than the context length."}),
    "limit_kimi": said(400, "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)"),
    "limit_glm": said(400, "Prompt exceeds max length", code="1261"),
    "limit_qwen": said(400, "Range of input length should be [1, 129024]", code="invalid_parameter_error"),
    "limit_xai": body(400, {"code": "Client specified an invalid argument", "error": "maximum prompt length is 131072"}),
    "limit_in_200": body(200, {"error": {"message": "maximum context length is 131072 tokens", "code": 400}}),
    "limit_of_a_reply": choice(message={"role": "assistant", "content": "I will"}, finish_reason="length"),
    "limit_of_the_window": choice(message={"role": "assistant", "content": ""}, finish_reason="model_context_window_exceeded"),
    "413": said(413),
    "413_html": body(413, HTML, Content_Type="text/html"),
}
# The end of a conversation for this run, and after some runs for good.
REFUSED = {
    "400": said(400, "Something is not as it should be."),
    "400_html": body(400, HTML, Content_Type="text/html"),
    "400_openrouter": said(400, "Provider returned error", code=400, metadata={"raw": "unsupported message"}),
    "405": said(405),
    "422": body(422, {"detail": [{"loc": ["body", "messages", 3], "msg": "value is not valid"}]}),
}
# The end of a model.
REJECTED = {
    "401": said(401, "invalid api key", type="invalid_request_error"),
    "403": said(403, "Forbidden"),
    "404": said(404, "The model does not exist", code="model_not_found"),
    "404_html": body(404, HTML, Content_Type="text/html"),
    "key_400": said(400, "API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT"),
    "model_400": said(400, "Model Not Exist", type="invalid_request_error"),
    "402": said(402, "Insufficient Balance"),
    "credit_400": said(400, "Your credit balance is too low to access the API.", type="invalid_request_error"),
    "credit_403": said(403, "Key limit exceeded (total limit)", code=403),
    "credit_429": said(429, "You exceeded your current quota.", code="insufficient_quota"),
    "credit_in_200": body(200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    "path_in_200": body(200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}),  # LM Studio
    "redirect": redirect,
    "wait_for_days": said(429, None, {"Retry-After": "259200"}),
}


class Row(NamedTuple):
    """A kind of fault."""

    becomes: str
    send: Any
    alters: bool
    """Whether the conversation is another one then."""


_ALTERING = (*DATA, "filter_without_words", "filter_sensitive", "filter_in_choice", "limit_of_a_reply", "limit_of_the_window")
_PARTS = {
    "passing": PASSING,
    "harmless": HARMLESS,
    "data": DATA,
    "content_filter": FILTERS,
    "token_limit": LIMITS,
    "refused": REFUSED,
    "rejected": REJECTED,
}
TABLE = {name: Row(becomes, send, name in _ALTERING) for becomes, part in _PARTS.items() for name, send in part.items()}
KINDS = tuple(name for name, row in TABLE.items() if row.becomes != "rejected")
REJECTING = tuple(REJECTED)
