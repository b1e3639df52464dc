"""What a provider says that a call took. A number that can be none is none: budgets and bills are summed from it."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import TYPE_CHECKING, Any

from ppres import codec
from ppres.conversation import Call, Message, calls_of, said_in
from ppres.models import faults

if TYPE_CHECKING:
    from ppres.models.wire import Exchange

MOST_TOKENS = 2 * 10**7  # of one call, twice the longest context; what is more, or less than none, or no whole number, is no count
MOST_DOLLARS = 1_000  # for one call, ten times the dearest
_MOST_BESIDE = 1_000  # of what is counted beside tokens: searches, sessions, images, seconds


def count(told: Any) -> int | None:
    """A count of tokens that can be one; some gateways write it as a text, or with a point."""
    if (isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 12) or (
        isinstance(told, float) and told.is_integer()
    ):
        told = int(told)
    whole = isinstance(told, int) and not isinstance(told, bool)
    return told if whole and 0 <= told <= MOST_TOKENS else None


def dollars(told: Any) -> float | None:
    """A cost that can be one; None for 0 too, which litellm says where it knows no price."""
    known = isinstance(told, int | float) and math.isfinite(told) and 0 < told <= MOST_DOLLARS
    return float(told) if known else None


def size(messages: list[Message], schemas: list[dict[str, Any]] | None = None) -> float:
    """Tokens of a conversation by rule of thumb: a quarter of the characters of its texts, calls and tools."""
    texts = (text for message in messages for text in (said_in(message), *map(codec.text, calls_of(message))))
    return (sum(map(len, texts)) + (len(json.dumps(schemas)) if schemas else 0)) / 4


# -- before litellm reads it, which counts a cost by all of it ---------------------------------------------------------


def plausible(usage: Any, of_choices: bool) -> Any:
    """A usage with counts as whole numbers, and without those that are none; None where it is none at all."""
    if not isinstance(usage, dict):
        return None
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"} if of_choices else {}  # other protocols' names
    counts = _fields({names[name]: usage[name] for name in names if name in usage} | usage)
    if of_choices:  # of Gemini's protocol they are lists
        counts = {name: told for name, told in counts.items() if not (isinstance(told, list) and "details" in name)}
    whole = next((whole for whole in _WHOLES if whole[0] in counts), _WHOLES[0] if of_choices else None)
    return _within(counts, *(counts.get(name) or 0 for name in whole)) if whole else _summing_up(counts)


def _summing_up(usage: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's usage without parts of what was cached, or rounds, that do not add up: a cost would be counted by them."""
    kept, parts, rounds = dict(usage), usage.get("cache_creation"), usage.get("iterations")
    if isinstance(parts, dict) and sum(map(_tokens, parts.values())) > _tokens(usage.get("cache_creation_input_tokens")):
        del kept["cache_creation"]
    if isinstance(rounds, list):  # some are told of here alone, so that they may be more than the whole, but never less
        kept["iterations"] = [_summing_up(told) for told in rounds if isinstance(told, dict)]
        for name in ("input_tokens", "output_tokens"):
            if sum(_tokens(told.get(name)) for told in kept.get("iterations", ())) < _tokens(usage.get(name)):
                kept.pop("iterations", None)
    return kept


def _tokens(told: Any) -> int:
    return count(told) or 0


# Names of the prompt, of what is written, and of both together.
_WHOLES = (("prompt_tokens", "completion_tokens", "total_tokens"), ("promptTokenCount", "candidatesTokenCount", "totalTokenCount"))


def _fields(usage: dict[str, Any]) -> dict[str, Any]:
    told = ((name, _number(name, value)) for name, value in usage.items())
    return {name: value for name, value in told if value is not _NONE}


_NONE = object()


def _number(name: str, value: Any) -> Any:
    """A value of a usage as it may be read; `_NONE` for a count that is none."""
    tokens = "token" in name.lower()
    if isinstance(value, dict | list):
        if tokens and "details" not in name.lower():
            return _NONE
        inner = [_number(name, item) for item in value] if isinstance(value, list) else ()
        return _fields(value) if isinstance(value, dict) else [item for item in inner if item is not _NONE]
    if isinstance(value, bool):
        return value if name.startswith("is_") else _NONE
    if value is None or (isinstance(value, str) and not tokens):
        return value
    if tokens:
        return _NONE if (whole := count(value)) is None else whole
    most = math.inf if "cost" in name.lower() else _MOST_BESIDE  # in dollars or in billionths of them: looked at in the end
    return value if 0 <= value <= most and math.isfinite(value) else _NONE


def _within(usage: dict[str, Any], prompt: int, completion: int, total: int) -> dict[str, Any]:
    """Without parts of more tokens than there are of all: a cost would be counted by them. Some providers count parts beside."""
    read, written = max(prompt, total - completion), max(completion, total - prompt)
    most = {name: written if re.match("completion|candidates|response|thoughts|reasoning|output", name) else read for name in usage}
    parts = {name for name in usage if re.search("(?i)tokens_?details|cache|thoughts|reasoning|toolUseP", name)}
    return {name: _at_most(value, most[name]) if name in parts else value for name, value in usage.items()}


def _at_most(part: Any, most: int) -> Any:
    if isinstance(part, dict):
        return {name: kept for name, value in part.items() if (kept := _at_most(value, most)) is not None}
    if isinstance(part, list):
        return [kept for item in part if (kept := _at_most(item, most)) is not None]
    return None if isinstance(part, int | float) and part > most else part


# -- of an answer that is of no use ------------------------------------------------------------------------------------


NO_ANSWER, BROKEN_OFF = "no answer", "broken off"
_LONGEST = 4096  # tokens of an answer, commonly
_FASTEST = 3_000  # tokens that no model writes within a second


def estimated(call: Call, prompt: float, allowed: int | None) -> Call:
    """A call of whose usage nothing is told, with what it may have taken, marked as an estimate; any other one as it is.

    Who waits in vain may have to pay: providers charge for what was read, and written until the connection broke, and some write
    on. So the prompt is counted by its length (`prompt`, in tokens), and an answer as long as the model is allowed, as it commonly
    is at most, or as can be written in the time, whichever is shortest. Budgets and books are kept by the same numbers.
    """
    if call.prompt_tokens is not None:
        return call
    why = call.estimated or BROKEN_OFF
    in_time = math.ceil(_FASTEST * (call.seconds or 0)) if why == NO_ANSWER else _LONGEST
    written = call.completion_tokens or min(in_time, allowed or _LONGEST, _LONGEST)
    return call._replace(prompt_tokens=math.ceil(prompt), completion_tokens=written, estimated=why)


def lost(seen: Exchange, seconds: float) -> tuple[Call, ...]:
    """What is known of a call that gave nothing to read, where the provider answered, or was asked and may have been answering.

    Nobody pays for an error, nor for what was never sent: where no connection was made.
    """
    raw = (seen.body if faults.went_well(seen.status) else seen.part).lstrip()
    payload = seen.json()
    if not raw.startswith(_BEGUN):
        return (Call(seconds=round(seconds, 3), estimated=NO_ANSWER),) if seen.asked else ()
    if isinstance(payload, dict) and payload.keys() & _ERRORS and not any(map(payload.get, _MADE)):
        return ()
    usage = _usage_in(raw.decode("utf-8", "replace"))
    prompt, completion = (next(filter(None, (_total(usage, names) for names in told)), None) for told in (_PROMPT, _COMPLETION))
    return (Call(prompt, completion, dollars(usage.get("cost")) if prompt else None, seconds=round(seconds, 3)),)


_BEGUN = (b"{", b"data:", b"\x1f\x8b")  # an answer, a stream of one, or one that is packed: else it is a page of some proxy
_MADE = ("choices", "candidates", "content", "output", "usage", "usageMetadata")  # fields of an answer, of any protocol
_ERRORS = {"error", "errors", "detail", "message", "msg", "base_resp"}  # and of what says that there is none
_USAGE = re.compile(r'"usage(?:Metadata)?"\s{0,9}:\s{0,9}(?={)')
_PROMPT = (
    *(("prompt_tokens",), ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"), ("promptTokenCount",)),
    ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
)
_COMPLETION = (("completion_tokens",), ("output_tokens",), ("candidatesTokenCount", "thoughtsTokenCount"), ("outputTokens",))


def _usage_in(text: str) -> dict[str, Any]:
    """The last usage that stands in a text, however little of the rest is JSON."""
    ends = [match.end() for match in _USAGE.finditer(text)]
    with contextlib.suppress(ValueError, RecursionError):
        usage, _ = json.JSONDecoder().raw_decode(text, ends[-1]) if ends else ({}, 0)
        return usage if isinstance(usage, dict) else {}
    return {}


def _total(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(_tokens(usage.get(name)) for name in names)
