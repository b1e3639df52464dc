"""Speaking to a model. `sim/*` are simulated agents; every other name is asked with our own retries, through litellm."""

from __future__ import annotations

import functools
import json
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ppres import arguments, codec
from ppres.conversation import Message, Reply
from ppres.factor import NAME_LIMIT, brief, is_name, is_written
from ppres.models import client, credentials, environment, history, redaction, rehearsal
from ppres.models.client import litellm
from ppres.models.faults import Fault, ModelError
from ppres.models.loop import wait_for
from ppres.models.transport import Charge, Gate, persist, say
from ppres.models.usage import size
from ppres.simulated import personas

_NAME = re.compile(r"sim/.*|[^\s/]+/(?=.*[^/])\S(.*\S)?")
_TRANSPORT = ("timeout", "rpm", "tpm")
# Fields of a request, in any provider's format, that hold the conversation.
_OURS = {"model", "messages", "contents", "system", "systemInstruction", "system_instruction", "tools", "functions", "stream"}

# How the paper names a model's family in the story ("Gemini Agent 1"), by a part of the model's name.
_FAMILIES = {"gemini": "Gemini", "claude": "Claude", "gpt": "ChatGPT", "glm": "GLM", "kimi": "Kimi", "deepseek": "DeepSeek"}


@dataclass(frozen=True)
class Model:
    """A model and the parameters that are sent with every call. All of them are part of a rollout's identity."""

    name: str
    """As litellm names it, "gemini/gemini-3-flash-preview"; or "sim/gemini-3-flash"."""
    temperature: float | None = 1.0
    """None sends no temperature, for models that accept none."""
    top_p: float | None = None
    max_tokens: int | None = None
    """Longest reply, in tokens."""
    reasoning_effort: str | None = None
    api_base: str | None = None
    """Another server with the provider's protocol, "http://127.0.0.1:8000/v1"; else the environment's, OPENAI_API_BASE for one."""
    extra_body: Mapping[str, Any] | None = None
    """Sent as it is with every call: provider routing, thinking budgets. Not for secrets: it is stored."""
    family: str | None = None
    """What the agents are called in the story, "Gemini" for "Gemini Agent 1"; by default read from `name`."""
    timeout: float = 600.0
    """Seconds to wait for one attempt of one call. Like the two limits below it is no part of the identity."""
    rpm: float | None = None
    """Requests a minute that the provider allows."""
    tpm: float | None = None
    """Tokens a minute that the provider allows."""

    harness = None
    """It is driven by our own loop."""

    def __post_init__(self) -> None:
        if not is_name(self.name) or not _NAME.fullmatch(self.name):
            raise ModelError(
                f"{brief(self.name)} is no model name: it is 'provider/model' or one of sim/{', sim/'.join(personas.personas())}"
            )
        if self.simulated:
            personas.check(self.persona)
            if set(self._unusual()) - {"family"}:
                told = f"{self.name} is a simulated agent: it takes no {', '.join(self._unusual())}"
                raise ModelError(f"{told}; what such a setting does is planted, a pp.Persona for each level")
        else:  # litellm would go there all the same, and nobody would know where a reply came from
            elsewhere = environment.api_base(self.provider)
            lacking = self.api_base is None or (isinstance(self.api_base, str) and not self.api_base)
            object.__setattr__(self, "api_base", elsewhere if lacking else self.api_base)
        self._check_numbers()
        self._check_texts()

    def _check_numbers(self) -> None:
        """Numbers in one form: 1 and 1.0 are the same request, so they are one identity."""
        for name in ("temperature", "top_p", "max_tokens", "timeout", "rpm", "tpm"):
            given: Any = getattr(self, name)
            if given is None:
                continue
            whole, least = name == "max_tokens", 0 if name == "temperature" else 1e-9
            told = arguments.number(given)
            if told is None or (whole and not isinstance(told, int)) or not least <= told < 1e12:
                raise ModelError(f"{name}={brief(given)} is not a {'whole ' if whole else ''}number above 0")
            object.__setattr__(self, name, told if whole else float(told) + 0.0)  # which makes 0.0 of -0.0

    def _check_texts(self) -> None:
        """What is stored holds no secret, and is text or JSON."""
        for name in ("reasoning_effort", "api_base", "family"):
            value = getattr(self, name)
            if not (value is None or is_name(value) or (isinstance(value, str) and not value)):
                raise ModelError(f"{name}={brief(value)} is not a text of up to {NAME_LIMIT} characters on one line, nor None")
        redaction.named()  # what is wrong with `PPRES_SECRETS` is not the address's fault
        try:
            secret = credentials.in_address(self.api_base or "")
            if not secret and self.api_base and not re.match("https?://", self.api_base):
                raise ValueError  # nobody would be reached
        except ValueError:
            raise ModelError("api_base is no address such as http://127.0.0.1:8000/v1") from None
        if secret:
            raise ModelError(f"api_base must not hold {secret}, because it is stored; put the key into the environment")
        try:
            told = json.dumps(self.extra_body, allow_nan=False, ensure_ascii=False)
            if not is_written(told):
                raise ValueError("it holds half of a character")
            body = json.loads(told)
            field = credentials.in_fields(body)
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"extra_body is not JSON: {error}") from None
        if not isinstance(body, dict | None):
            raise ModelError(f"extra_body={brief(body)} is no mapping of fields to values")
        if taken := _OURS & (body or {}).keys():
            raise ModelError(f"extra_body must not hold {min(taken)!r}: what is sent there is the conversation's")
        if field:
            raise ModelError(f"extra_body must not hold {field!r}, because it is stored; put secrets into the environment")
        if redaction.clear(body)[1]:
            raise ModelError("extra_body holds a secret of the environment; it must not, because it is stored")
        object.__setattr__(self, "api_base", self.api_base.rstrip("/") if self.api_base else None)
        object.__setattr__(self, "extra_body", body or None)  # a copy: what is changed later is another model's

    @property
    def persona(self) -> str:
        """The simulated agent's name."""
        return self.name.removeprefix("sim/")

    @property
    def simulated(self) -> bool:
        """Whether it is a simulated agent rather than a real model."""
        return self.name.startswith("sim/")

    @property
    def source(self) -> str:
        """sim or live."""
        return "sim" if self.simulated else "live"

    @property
    def critic_family(self) -> str:
        """The family that the story gives the model."""
        if self.family:
            return self.family
        tail = self.name.rsplit("/", 1)[-1].lower()
        known = next((shown for part, shown in _FAMILIES.items() if part in tail), None)
        words = re.findall("[a-z]+", tail)
        return known or (words[0].capitalize() if words else "AI")

    @functools.cached_property
    def label(self) -> str:
        """Name in the frame: the model's, with the parameters that are not the usual ones."""
        shown = [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in self._unusual().items()]
        return " ".join([self.name, *shown])

    def _unusual(self) -> dict[str, Any]:
        names = [f for f in fields(self)[1:] if f.name not in _TRANSPORT]
        return {f.name: getattr(self, f.name) for f in names if getattr(self, f.name) != f.default}

    def sent(self) -> dict[str, Any]:
        """What identifies the model's side of a rollout; for a simulated agent, how it acts."""
        if self.simulated:
            return {"model": self.name, "parameters": {"persona": personas.version(self.persona)}}
        asked = {k: getattr(self, k) for k in ("temperature", "top_p", "max_tokens", "reasoning_effort")}
        sent: dict[str, Any] = {"model": self.name, "parameters": {k: v for k, v in asked.items() if v is not None}}
        if self.api_base:
            sent["api_base"] = self.api_base
        if self.extra_body:
            sent["extra_body"] = dict(self.extra_body)
        return sent

    def check(self) -> None:
        """Raise `ModelError` where a rollout could not even start. Asks nobody."""
        if self.simulated:
            return
        lite = litellm()
        try:
            lite.get_llm_provider(self.name, api_base=self.api_base)
        except lite.exceptions.BadRequestError as error:
            raise ModelError(
                f"{self.name!r}: litellm knows no such provider. Names are 'provider/model', such as "
                f"'gemini/gemini-3-flash-preview'; for a server of your own, 'openai/<model>' with api_base"
            ) from error

    def check_key(self) -> None:
        """Raise `ModelError` where the environment, or a file `.env`, lacks the provider's key, or litellm drops a parameter."""
        environment.read()
        if self.simulated:
            return
        missing = [] if self.api_base else litellm().validate_environment(self.name)["missing_keys"]
        if missing:
            raise ModelError(
                f"{self.name} needs {' or '.join(missing)} in the environment or in a file .env (export it, then start again)"
            )
        if problem := environment.problem(self.provider, self.api_base):
            raise ModelError(f"{self.name}: {problem}")
        if told := environment.announcement(self.provider, self.api_base):
            say(told)
        if self.label not in _rehearsed:
            wait_for(rehearsal.check(self, litellm()))
            _rehearsed.add(self.label)

    def price(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """US dollars for so many tokens; None where litellm knows no price."""
        if self.simulated:
            return 0.0
        if self.listed() in _unpriced:
            return None
        try:
            costs = litellm().cost_per_token(
                self.name, prompt_tokens=round(prompt_tokens), completion_tokens=round(completion_tokens)
            )
        except Exception:  # litellm raises a bare Exception for a model that it has no price for
            _unpriced.add(self.listed())
            return None
        return float(sum(costs)) or None

    def listed(self) -> tuple[str, int, int, int]:
        """What is another where litellm was told of a price in the meantime."""
        prices: dict[str, dict[str, Any]] = litellm().model_cost
        told, bare = prices.get(self.name, {}), prices.get(self.name.partition("/")[2], {})
        return self.name, len(prices), len(told), len(bare)

    @property
    def gate(self) -> Gate:
        """The gate of the provider that serves the model, or of the model where it has limits of its own; one for the process."""
        own = (self.name, self.rpm, self.tpm) if self.rpm or self.tpm else None
        key = self.provider, self.api_base, own
        if key not in _gates:
            _gates[key] = Gate(self.rpm, self.tpm)
        return _gates[key]

    @property
    def provider(self) -> str:
        """Who is asked, as litellm names it."""
        return self.name.partition("/")[0]

    def request(
        self, messages: list[Message], schemas: list[dict[str, Any]], parameters: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """What litellm is given for a call."""
        # Copies: litellm rewrites tools and messages for some providers, and all cells share them.
        request = {"model": self.name, "messages": [*map(dict, messages)], "max_retries": 0, "timeout": self.timeout}
        request["cache"] = {"no-cache": True, "no-store": True}  # litellm.cache, of a user who has one: replicates would be copies
        request |= more | parameters
        if schemas:
            request["tools"] = pickle.loads(pickle.dumps(schemas))  # ten times as fast as deepcopy, which was 7% of a call
        if self.api_base:
            request["api_base"] = self.api_base
        if self.api_base and self.provider == "openai":
            request["api_key"] = os.environ.get("OPENAI_API_KEY") or "none"  # a local server wants none, the client insists
            request["allowed_openai_params"] = list(parameters)  # a server of one's own takes what it takes
        if self.extra_body:  # litellm sends it on to most providers, but makes a field of that name for some
            request |= self.extra_body if self.provider in _NO_EXTRA_BODY else {"extra_body": dict(self.extra_body)}
        return request

    async def ask(
        self, messages: list[Message], schemas: list[dict[str, Any]], *, charge: Charge | None = None, **more: Any
    ) -> Reply:
        """Ask a real model once, through passing faults. Raises `ProviderError`, or `ModelError` where nothing can be asked."""
        mended: str | None = None

        async def attempt() -> Reply:
            nonlocal mended
            try:
                sent, mended = history.valid(messages, self.provider, self.label in _other_way)
                return await client.once(self, sent, schemas, more)
            except Fault as fault:
                if self.label in _other_way or not history.disputed(messages, fault):
                    raise
                _other_way.add(self.label)
                sent, mended = history.valid(messages, self.provider, True)
                return await client.once(self, sent, schemas, more)

        tokens = size(messages, schemas) if self.tpm else 0.0  # nobody else counts them, and all messages are gone through for it
        reply, attempts, empty = await persist(attempt, self.label, self.gate, tokens, charge)
        return Reply(reply.message, reply.call._replace(attempts=attempts, empty_replies=empty, mended=mended))


# Providers for whom litellm takes what is not of OpenAI's protocol beside the parameters, not in `extra_body`.
_NO_EXTRA_BODY = ("anthropic", "bedrock")
_rehearsed: set[str] = set()
_unpriced: set[tuple[str, int, int, int]] = set()
"""Models whose price litellm looked for in vain, which takes long."""
_other_way: set[str] = set()
"""Labels of models whose provider wants the reasoning that others refuse, or refuses what others want."""
_gates: dict[tuple[Any, ...], Gate] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_gates.clear)  # whoever waits at them is not there


def effort_in(sent: Mapping[str, Any]) -> str | None:
    """The reasoning effort among what identifies a model's side, wherever its provider takes it; None where that is left to it."""
    body = sent.get("extra_body")
    inner = body.get("reasoning") if isinstance(body, dict) else None
    for told, name in ((sent.get("parameters"), "reasoning_effort"), (body, "reasoning_effort"), (inner, "effort")):
        if isinstance(told, dict) and told.get(name) is not None:
            return codec.text(told[name])
    return None
