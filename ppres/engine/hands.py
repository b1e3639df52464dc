"""How a person plays: lines in a terminal, and a form in a notebook that has ipywidgets."""

from __future__ import annotations

import contextlib
import importlib
import json
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ppres.worlds.tool import in_words

if TYPE_CHECKING:
    from ppres.engine.play import Game

_HELP = """A number or the name of a tool calls it, and you are asked for what it takes (\\n is a new line).
say WORDS     speaks with the next call
stop WORDS    is a message without a call, to decline for instance
tools         lists them again;  briefing, past  what you were told, and did
quit          leaves; the same command goes on from here"""


def typed(text: str, annotation: Any) -> Any:
    """What a person typed as a tool's argument, of its type where it can be; else as it is, and the tool says what is wrong."""
    text = text.strip()
    if annotation is str or typing.get_origin(annotation) is typing.Literal:
        return text.replace("\\n", "\n")
    listed = typing.get_origin(annotation) is list
    if listed and typing.get_args(annotation) == (str,) and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(f"[{text}]" if listed and not text.startswith("[") else text)
    return text


def in_terminal(game: Game, ask: Callable[[str], str] = input, tell: Callable[[str], object] = print) -> None:
    """Play a game line by line, until it ends or the person leaves."""
    tell(game.briefing)
    tell(f"\n--- tools\n{_numbered(game)}\n\n{_HELP}")
    if game.past:
        tell(f"\nYou were here before:\n{game.past}")
    while not game.ended:
        try:
            _line(game, ask("\n> ").strip(), ask, tell)
        except (EOFError, KeyboardInterrupt, _Left):
            tell("\nIt is kept as it is: the same command goes on from here.")
            return


class _Left(Exception):
    pass


def _line(game: Game, line: str, ask: Callable[[str], str], tell: Callable[[str], object]) -> None:
    word, _, rest = line.partition(" ")
    name = game.names[int(word) - 1] if word.isdecimal() and 1 <= int(word) <= len(game.names) else word
    if word == "quit":
        raise _Left
    if name in game.names:
        parameters = game.parameters(name)
        tell(game.send([(name, {key: typed(ask(f"  {key} ({in_words(hint)[0]}): "), hint) for key, hint in parameters.items()})]))
    elif word == "say" and rest:
        game.say(rest)
    elif word == "stop" and rest:
        tell(game.stop(rest))
    elif word in ("tools", "briefing", "past"):
        tell(_numbered(game) if word == "tools" else getattr(game, word) or "Nothing yet.")
    elif line:
        tell(_HELP if word in ("help", "?") else f"There is no {word!r} here.\n{_HELP}")


def _numbered(game: Game) -> str:
    return "\n".join(f"{place:2}  {game.described(name)}" for place, name in enumerate(game.names, start=1))


def buttons(game: Game) -> Any:
    """A form: a tool, what it takes, words to go with it, and what the world replied; None where ipywidgets is not installed."""
    try:
        widgets: Any = importlib.import_module("ipywidgets")
    except ModuleNotFoundError:
        return None
    tool, fields, said = widgets.Dropdown(options=game.names, description="tool"), widgets.VBox(), widgets.Output()
    words, send = widgets.Textarea(description="you say"), widgets.Button(description="Send", button_style="primary")
    stop = widgets.Button(description="Only say it", tooltip="A message without a call: it ends the session")

    def chosen(*_: Any) -> None:
        takes = game.parameters(tool.value).items()
        fields.children = [widgets.Text(description=key, placeholder=in_words(hint)[0]) for key, hint in takes]

    def sent(pressed: Any) -> None:
        takes = zip(fields.children, game.parameters(tool.value).items(), strict=True)
        given = {key: typed(field.value, hint) for field, (key, hint) in takes}
        with said:
            print(f"-> {tool.value}" if pressed is send else f"You: {words.value}")
            print(repr(game.send([(tool.value, given)] if pressed is send else [], words.value)), end="\n\n")
        words.value = ""
        send.disabled = stop.disabled = game.ended is not None

    tool.observe(chosen, names="value")
    for button in (send, stop):
        button.on_click(sent)
    chosen()
    return widgets.VBox([tool, fields, words, widgets.HBox([send, stop]), said])
