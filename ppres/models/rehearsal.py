"""Whether litellm sends what a model is asked with. It clamps some parameters, drops others, and says nothing of it.

So a request is made up to the point where it would go over the wire, with and without each parameter: what is asked for has to make
the difference. Nothing is sent. That holds for every provider, since no name of any of their fields is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ppres.conversation import Message
from ppres.models import wire
from ppres.models.faults import ModelError, plain

if TYPE_CHECKING:
    from ppres.models.model import Model

_WORDS = "This is a rehearsal."
ASKED: Message = {"role": "user", "content": _WORDS}
TOOL = {"type": "function", "function": {"name": "a_tool", "parameters": {"type": "object", "properties": {}, "required": []}}}
_OTHER = {"temperature": (0.7, 0.6), "top_p": (0.5, 0.4), "max_tokens": (1001, 1002)}


async def check(model: Model, lite: Any) -> None:
    """Raise `ModelError` where litellm would not send a parameter of the model as it is, or its `extra_body`."""
    asked = model.sent()["parameters"]
    body = await _body(model, lite, asked)
    if isinstance(body, str):
        raise ModelError(await _unsupported(model, lite, asked, body))
    if body is None:
        return
    for name, value in asked.items():
        values = await _values(model, lite, asked, name, body)
        if isinstance(value, str) and not values:
            raise ModelError(f"{model.label}: litellm does not send {name} to this provider: set {name}=None")
        if isinstance(value, int | float) and value not in values:
            instead = next((number for number in values if isinstance(number, int | float)), None)
            raise ModelError(
                f"{model.label}: litellm would not send {name}={value} "
                + (f"but {instead}: set {name}={instead}" if instead is not None else f"to this model: set {name}=None")
            )
    for name, value in (model.extra_body or {}).items():
        if not any(_holds(item[name], value) for item in _objects(body) if name in item):
            raise ModelError(f"{model.label}: litellm would not send {name!r} of extra_body as it is to this provider")


async def rehearse(
    model: Model, lite: Any, messages: list[Message], schemas: list[dict[str, Any]], parameters: dict[str, Any], **more: Any
) -> tuple[wire.Exchange, Exception | None]:
    """What litellm would send, and what kept it from that: what else stands in the way is told by the first call, a real one."""
    with wire.exchange(rehearsal=_WORDS.encode()) as seen:
        try:
            await lite.acompletion(**model.request(messages, schemas, parameters, **more))
        except Exception as error:
            return seen, error
    return seen, None


async def _body(model: Model, lite: Any, parameters: dict[str, Any]) -> dict[str, Any] | str | None:
    """The body of a request; why litellm refuses to make it; or None where it cannot be seen from here."""
    seen, error = await rehearse(model, lite, [ASKED], [TOOL], parameters)
    if error and any(kind.__name__ == "UnsupportedParamsError" for kind in type(error).__mro__):
        return plain(error)
    if not seen.guarded:
        raise ModelError(
            f"{model.label}: litellm asks this provider in a way in which a redirect would take keys along, and a reply may be of "
            "any size: ask openai/<model> with api_base instead"
        )
    if _WORDS.encode() not in seen.request:
        return None
    body = json.loads(seen.request)
    return body if isinstance(body, dict) else None


async def _unsupported(model: Model, lite: Any, asked: dict[str, Any], why: str) -> str:
    for name, value in asked.items():
        if not isinstance(await _body(model, lite, _without(asked, name)), str):
            instead = f"set {name}=None, or send it all the same with extra_body={json.dumps({name: value})}"
            return f"{model.label}: this model takes no {name}={value!r}, says litellm: {instead}"
    return f"{model.label}: {why}"


async def _values(model: Model, lite: Any, asked: dict[str, Any], name: str, body: dict[str, Any]) -> list[Any]:
    """What a parameter brings into the body: compared with one without it, and with one that has another value instead of it."""
    value, values = asked[name], []
    other = next((other for other in _OTHER.get(name, ()) if other != value), None)
    for base in (_without(asked, name), asked | {name: other}) if other else (_without(asked, name),):
        made = await _body(model, lite, base)
        if isinstance(made, dict):
            before = dict(_leaves(made))
            values += [leaf for place, leaf in _leaves(body) if place not in before or before[place] != leaf]
        if value in values:
            break
    return values


def _without(parameters: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key != name}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, f"{place}/{name}")
    else:
        yield place, value


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in a body, from the outermost in."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(item)


def _holds(sent: Any, asked: Any) -> bool:
    """Whether what is sent has all that was asked for."""
    if isinstance(asked, dict) and isinstance(sent, dict):
        return all(name in sent and _holds(sent[name], value) for name, value in asked.items())
    return bool(sent == asked)
