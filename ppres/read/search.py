"""Searching what is stored: every message, argument, thought and document, each text looked at once."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ppres import arguments, codec
from ppres.conversation import calls_of, parts, said_in, shown, taken_over
from ppres.read.columns import told, whole
from ppres.read.documents import documents_of
from ppres.scenarios.scenario import ESCAPE_OR_CLASS
from ppres.store.cell import harness_in
from ppres.store.database import StorePath
from ppres.store.errors import StoreError
from ppres.store.rows import unpack
from ppres.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("system", "user", "document", "assistant", "reasoning", "call", "tool")
_CHUNK = 20_000  # rollouts at a time
_LONGEST = 10.0  # seconds of computing for one text: a pattern that repeats what repeats, as (a+)+, may take years
_AROUND = 60  # characters of a passage on either side of what was found
_COLUMNS = ["id", "turn", "role", "name", "matches", "passage"]


class Hit(NamedTuple):
    """A text in which a pattern was found."""

    turn: int
    role: str
    name: str | None
    matches: int
    passage: str


def search(
    pattern: str | re.Pattern[str],
    *,
    role: str | Iterable[str] | None = None,
    where: pd.DataFrame | Iterable[str] | None = None,
    store: StorePath = None,
) -> pd.DataFrame:
    """Where a pattern occurs in what is stored: a row for each text that has it.

    `pattern` is a regular expression, without regard to case ("decline|refuse"); a compiled one is taken as it is. `role` is one or
    several of assistant (what the agent says), reasoning, call (its calls, with their arguments), tool (the replies), user, system
    (a harness's own prompt as well, by its name) and document (files, sheets and memory of the condition). `where` is a frame, or
    ids: which rollouts to search.

    Returns id, turn (the agent's messages from 1; 0 before them), role, name (of the tool or the document), matches (how often it
    occurs in the text) and passage, the first with what stands around it. What is damaged is left out, and a warning counts it.

    Fast are the roles system and document, which are read once for a cell, and patterns of which every choice has two letters that
    stand as they are ("decline|refuse", not "[a-z]+"): then a rollout is unpacked, and read only where it has one of them.

    Raises `ValueError` for a pattern that is none or takes too long, and a role that there is not, `StoreError` for an id that is
    not stored.
    """
    finder = _compiled(pattern)
    roles = set(ROLES if role is None else arguments.several(role, "role", f"one or several of {', '.join(ROLES)}"))
    if unknown := roles - {*ROLES}:
        raise ValueError(f"role={min(unknown)!r} is not one of {', '.join(ROLES)}")
    wanted = None if where is None else {id[:16] for id in arguments.ids(where, "where")}
    rows: list[tuple[Any, ...]] = []
    with Store(store, existing=True) as opened, _bounded(finder):
        look, seen = _Look(opened, finder, roles), set[str]()
        for chunk in opened.bodies(_CHUNK):
            for _, key, cell, packed in chunk:
                id = key.hex()[:16]
                if wanted is None or id in wanted:
                    seen.add(id)
                    rows += [(id, *hit) for hit in look.rollout(cell, packed)]
        if lost := (wanted or set()) - seen:
            raise StoreError(f"{opened.path} has no rollout {min(lost)!r}, nor {len(lost) - 1} others of those to search")
    if look.damaged:
        warnings.warn(f"{look.damaged} texts or rollouts are damaged and were not searched; pp.verify tells which", stacklevel=2)
    return told(rows, _COLUMNS)


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, zlib.error)


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        finder = re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern
        finder.search("")
    except (re.error, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{pattern!r} is no regular expression of text: {error}; re.escape(text) looks for a text as it is"
        ) from None
    if not finder.pattern:
        raise ValueError("an empty pattern is found everywhere: say what to search for")
    return finder


@contextlib.contextmanager
def _bounded(finder: re.Pattern[str]) -> Iterator[None]:
    """Raise `ValueError` where one text takes too long; in threads, and on Windows, there is no alarm, and Ctrl-C ends it alone."""
    if not _can_be_woken():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    except TimeoutError:
        raise ValueError(
            f"{finder.pattern!r} takes more than {_LONGEST:.0f} seconds on a single text: either it repeats what repeats, as (a+)+ "
            "does, where a+ says the same, or it is tried from each sign of a very long word: let it begin with \\b"
        ) from None
    finally:
        _alarm(0)
        signal.signal(signal.SIGVTALRM, before)


def _can_be_woken() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _alarm(seconds: float) -> None:
    """Ring after so many seconds of computing, or never."""
    if _can_be_woken():
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


class _Look:
    """One search over a store: texts that many rollouts share are looked at once, the others where they can match at all."""

    def __init__(self, store: Store, finder: re.Pattern[str], roles: set[str]):
        self.store, self.finder, self.roles = store, finder, roles
        self.needed, self.damaged = needed_by(finder), 0
        self.given: dict[int, int] = {}
        """Turns that the rollouts of a cell took over, by the cell's number: what was made anew is counted on from them."""
        self.cells = self._of_cells()
        self.bodies = bool(roles - {"system", "document"})
        self.texts = self._of_texts() if "tool" in roles else {}
        self._shared = _references(self.texts)

    def rollout(self, cell: int, packed: bytes) -> list[Hit]:
        """What is found in a rollout, its cell's texts first."""
        hits = self.cells.get(cell, [])
        if not self.bodies:
            return hits
        try:
            raw = unpack(packed)
            if self.maybe(raw) or (self._shared and self._shared.search(raw)):
                return [*hits, *self._in_messages(codec.loads(raw)["messages"], self.given.get(cell, 0))]
        except _UNREADABLE:
            self.damaged += 1
        return hits

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """What cannot be read is counted."""
        try:
            yield
        except _UNREADABLE:
            self.damaged += 1

    def maybe(self, raw: bytes) -> bool:
        """Whether JSON may hold a text with a match: a look at its bytes spares reading most of it."""
        if not self.needed:
            return True
        small = raw.lower()
        for part in self.needed:  # not any(…): this runs for every rollout
            if part in small:
                return True
        return b"\\u" in small and any(sign in small for sign in _SPELT_OTHERWISE)

    def hit(self, turn: int, role: str, name: str | None, *texts: str) -> Iterator[Hit]:
        """What is found in the first of these texts that has a match; they are the same one, written in several ways."""
        for text in texts:
            _alarm(_LONGEST)
            matches = [*self.finder.finditer(text)]
            _alarm(0)
            if matches:
                yield Hit(turn, role, name, len(matches), _passage(text, matches[0]))
                return

    def _of_cells(self) -> dict[int, list[Hit]]:
        """What is found in what all rollouts of a cell are sent, by the cell's number in the file."""
        hits: dict[int, list[Hit]] = {}
        for id, packed in self.store.query("SELECT id, spec FROM cells"):
            with self._counted():
                raw = unpack(packed)
                if b'"after"' in raw:
                    past = taken_over(codec.loads(raw)["sent"].get("after"))
                    self.given[id] = sum(message["role"] == "assistant" for message in past)
                if self.roles & {"system", "user", "document"} and self.maybe(raw):
                    hits[id] = [hit for hit in self._in_spec(codec.loads(raw)["sent"]) if hit.role in self.roles]
        return hits

    def _in_spec(self, sent: dict[str, Any]) -> Iterator[Hit]:
        for message in sent.get("messages", ()):
            yield from self.hit(0, codec.text(message.get("role")), None, said_in(message))
        for name, text in documents_of(sent.get("world")):
            yield from self.hit(0, "document", name, text)
        if isinstance(harness := sent.get("harness"), dict):
            yield from self.hit(0, "system", harness_in(harness), codec.text(harness.get("system") or ""))

    def _of_texts(self) -> dict[int, tuple[int, str]]:
        """Matches and passage of each text that is stored by content."""
        known = {}
        for id, packed in self.store.query("SELECT id, body FROM texts"):
            with self._counted():
                for hit in self.hit(0, "tool", None, unpack(packed).decode("utf-8", "surrogatepass")):
                    known[id] = hit.matches, hit.passage
        return known

    def _in_messages(self, messages: list[dict[str, Any]], turn: int) -> Iterator[Hit]:
        names = dict[str, str]()
        for message in messages:
            if message["role"] != "assistant":
                yield from self._in_reply(turn, message, names)
                continue
            turn += 1
            calls = [(*parts(call), call) for call in calls_of(message)]
            names = {id: name for id, name, *_ in calls if isinstance(id, str)}
            if "reasoning" in self.roles and message.get("reasoning_content"):
                yield from self.hit(turn, "reasoning", None, codec.text(message["reasoning_content"]))
            if "assistant" in self.roles:
                yield from self.hit(turn, "assistant", None, said_in(message))
            for _, name, given, call in calls if "call" in self.roles else ():
                values = [text for text in given.values() if isinstance(text, str)] if isinstance(given, dict) else []
                values.sort(key=len, reverse=True)  # a report reads better as it was meant than with its line breaks as \\n
                split = sum(len(text) > _AROUND for text in values)
                yield from self.hit(turn, "call", name, *values[:split], shown(call), *values[split:])

    def _in_reply(self, turn: int, message: dict[str, Any], names: Mapping[str, str]) -> Iterator[Hit]:
        role, content = str(message["role"]), message["content"]
        if role not in self.roles:
            return
        id = message.get("tool_call_id")
        name = names.get(id) if isinstance(id, str) else None  # a model may have given any JSON as an id
        if isinstance(content, int):
            if content in self.texts:
                yield Hit(turn, role, name, *self.texts[content])
        else:
            yield from self.hit(turn, role, name, said_in(message))


def _references(texts: Iterable[int]) -> re.Pattern[bytes] | None:
    """What finds a reference to one of these texts in a rollout's body."""
    ids = "|".join(map(str, texts))
    return re.compile(rf'"content":(?:{ids})[,}}]'.encode()) if ids else None


def _passage(text: str, match: re.Match[str]) -> str:
    start, end = max(0, match.start() - _AROUND), min(len(text), max(match.end(), match.start() + 1) + _AROUND)
    cut = text[start : min(end, match.start() + 20 * _AROUND)]
    return whole(("…" if start else "") + " ".join(cut.split()) + ("…" if end < len(text) else ""))


# Where JSON spells a letter otherwise than as itself: what ignoring case takes for i, k and s, and letters of ASCII in arguments.
_SPELT_OTHERWISE = (b"\\u0130", b"\\u0131", b"\\u017f", b"\\u212a", b"\\\\u00")
_GROUP = re.compile(r"\([^()]*\)")
_OPTIONAL = re.compile(r".(?:[*?]|\{[^}]*\})[?+]?", re.DOTALL)
_NOT_AS_ITSELF = re.compile(r"[^A-Za-z0-9 _,;:!@#%=~-]+")


def needed_by(finder: re.Pattern[str]) -> list[bytes]:
    """Of these, in small letters, one stands in the JSON of every text that has a match; none where that cannot be told."""
    if finder.flags & re.VERBOSE:
        return []
    plain = ESCAPE_OR_CLASS.sub("\0", finder.pattern)
    while (shorter := _GROUP.sub("\0", plain)) != plain:
        plain = shorter
    if {*plain} & {*"()[]"}:
        return []
    needed = [max(_NOT_AS_ITSELF.split(_OPTIONAL.sub("\0", choice)), key=len).lower() for choice in plain.split("|")]
    return [choice.encode() for choice in needed] if min(map(len, needed)) > 1 else []
