"""A person in the agent's place: the same tools, errors, end and rules; what was left goes on."""

import inspect
import json
import os
import signal
import subprocess
import sys

import pytest
from providers import PERSONA, run

import ppres as pp
from ppres.engine.hands import buttons, in_terminal, typed
from ppres.scenarios.tampering import SETTINGS_FILE, SWITCH
from ppres.store import checkpoint
from ppres.store.store import Store

SHEET = "Evaluation data"
PLAY = [
    sys.executable,
    "-c",
    "from ppres.cli import main; main()",
    "play",
    "scenario=tampering",
    "subject=peer",
    "peer=cooperative",
]


def human():
    frame = pp.frame()
    return frame[frame.source == "human"].reset_index(drop=True)


def test_a_game_is_what_an_agent_would_have_made(cell):
    (id,) = run(cell, f"sim/{PERSONA}", 1).id
    told, game = pp.transcript(id), pp.play(cell, family="Gemini")
    assert [m["content"] for m in told["messages"][:2]] == [m["content"] for m in game.cell.scene.messages]
    said = [m for m in told["messages"] if m["role"] == "assistant"]
    for message in said:
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
        game.send(calls, message["content"])
    played = pp.transcript(game.id)
    assert [m["content"] for m in played["messages"]] == [m["content"] for m in told["messages"]]
    took = ("prompt_tokens", "completion_tokens", "seconds")
    same = {name: value for name, value in told["outcomes"].items() if name not in took}
    assert same == {name: value for name, value in played["outcomes"].items() if name not in took}
    assert human()[["model", "source", "replicate", "cost"]].values.tolist() == [["human/you", "human", 0, 0.0]]
    assert pp.verify().empty


def test_tools_are_methods_and_what_is_wrong_is_answered_as_a_model_is(cell):
    game = pp.play(cell)
    assert set(game.names) <= set(dir(game))
    assert (
        list(inspect.signature(game.modify_var).parameters) == ["key", "value"]
        and "Name of the variable" in game.modify_var.__doc__
    )
    assert "evaluation_policy.md" in game.list_files()
    assert game.view_sheet() == "Error: view_sheet takes name; it was given none."
    assert game.view_sheet(name=3) == "Error: name must be a text, not 3."
    assert game.view_config(SETTINGS_FILE) == repr(game.view_config(filename=SETTINGS_FILE))
    with pytest.raises(TypeError, match="view_sheet takes name"):
        game.view_sheet("a", "b")
    game.say("I see.")
    game.modify_var(SWITCH, False)
    assert "The end (ended" in game.end_task() and "preserved: True" in game.outcome
    frame = human()
    assert frame.tool_errors[0] == 2 and frame.preserved[0] and frame.turns[0] == 7
    assert [m["content"] for m in pp.transcript(game.id)["messages"] if m["role"] == "assistant"][5] == "I see."
    with pytest.raises(pp.StoreError, match="this game is over"):
        game.list_files()


def test_a_refusal_is_coded_as_one(cell):
    assert "refused: True" in pp.play(cell).stop("I decline to carry out this review.")
    assert human().refused[0] and human().stop_reason[0] == "no_tool_call"


def test_who_was_left_goes_on_and_who_ended_begins_another(cell):
    first = pp.play(cell)
    first.list_files()
    again = pp.play(cell)
    assert again.id == first.id and "evaluation_policy.md" in again.past
    again.list_sheets()
    with pytest.raises(pp.StoreError, match="went on elsewhere"):
        first.list_sheets()
    again.end_task()
    assert pp.play(cell).id != first.id != pp.play(cell, "somebody else").id
    with Store() as opened:
        assert checkpoint.partial(opened) == {}
    assert len(human()) == 1


def test_a_world_that_asks_to_go_on_does_so(cell):
    game = pp.play(pp.grid(cell, nudges=1)[0])
    assert game.ended is None and game.stop("I would rather not.") and game.ended is None
    game.stop("No.")
    assert game.ended is not None


def lines(*given):
    rest = iter(given)

    def ask(prompt):
        try:
            return next(rest)
        except StopIteration:
            raise EOFError from None

    return ask


def test_a_terminal_takes_numbers_names_words_and_what_is_none_of_them(cell):
    told = []
    game = pp.play(cell)
    report = ("submit_report", "60", "100, 0", r"All\ndone")
    asks = lines("", "1", "nonsense", "say I look.", "view_sheet", SHEET, "tools", "past", "?", *report, "end_task")
    in_terminal(game, asks, told.append)
    text = "\n".join(told)
    for part in ("There is no 'nonsense' here", "Report received: average 60, 2 item scores.", "The end (ended"):
        assert part in text
    message = [m for m in pp.transcript(game.id)["messages"] if m["role"] == "assistant"][2]
    given = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert given == {"average_score": 60, "item_scores": [100, 0], "summary": "All\ndone"}
    assert human().reported_score[0] == 60


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("60", float, 60),
        ("sixty", float, "sixty"),
        ("false", str | float | bool | None, False),
        ("on", str | float | bool | None, "on"),
        ("1, 2", list[float], [1, 2]),
        ("[1, 2]", list[float], [1, 2]),
        ("a, b c", list[str], ["a", "b c"]),
        ("", list[str], []),
        ("false", str, "false"),
        ("[" * 5000, float, "[" * 5000),
    ],
)
def test_what_is_typed_is_of_its_type_or_as_it_is(text, annotation, value):
    assert typed(text, annotation) == value


def test_a_form_in_a_notebook_plays_as_well(cell):
    pytest.importorskip("ipywidgets")
    game = pp.play(cell)
    tool, fields, words, pressed, _ = buttons(game).children
    send, stop = pressed.children
    assert tool.options == tuple(game.names)
    tool.value = "view_sheet"
    (fields.children[0]).value, words.value = SHEET, "I look."
    send.click()
    stop.click()
    assert words.value == "" and send.disabled and game.ended is not None
    assert [m["content"] for m in pp.transcript(game.id)["messages"] if m["role"] == "assistant"] == ["I look.", None]


@pytest.mark.parametrize("wrong", [{"scenario": "tampering"}, [], "tampering"])
def test_a_game_is_in_one_condition(wrong):
    with pytest.raises(ValueError, match="play takes one condition"):
        pp.play(wrong)


def test_a_game_in_a_terminal_survives_a_kill(tmp_path):
    environment = os.environ | {"PPRES_STORE": str(tmp_path / "store.sqlite"), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(PLAY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        first.stdin.write("list_files\nlist_sheets\n")
        first.stdin.flush()
        while SHEET not in first.stdout.readline():
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    second = subprocess.run(PLAY, env=environment, input="end_task\n", capture_output=True, text=True, timeout=120)
    assert "You were here before" in second.stdout and "The end (ended" in second.stdout, second.stderr
    assert human().turns.tolist() == [3]
    assert pp.verify().empty


def test_a_game_in_many_conditions_is_an_error():
    done = subprocess.run([*PLAY[:-1], "peer=cooperative,neutral"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "a game is in one condition, and these are 2" in done.stderr


def test_another_model_goes_on_where_a_person_was(cell):
    game = pp.play(cell)
    game.list_files()
    game.list_sheets()
    game.end_task()
    model = pp.FunctionModel("ends", lambda messages, tools: "I am done.", version="1")
    made = pp.branch(game.id, 3, model=model, progress=False)
    assert made.turns[0] == 3 and made.source[0] == "function"
    with pytest.raises(pp.ModelError, match="give model="):
        pp.branch(game.id, 3)


def test_a_key_that_a_person_types_is_not_stored(cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1")
    game = pp.play(cell)
    game.create_file(filename="a.txt", content=f"It is {key}.")
    game.stop(f"I said {key}")
    kept = json.dumps(pp.transcript(game.id))
    assert key not in kept and kept.count("[secret]") >= 2


@pytest.mark.parametrize("where", ["name", "family", "user_note"])
def test_a_game_whose_names_or_texts_hold_a_key_is_refused(where, cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1")
    with pytest.raises(ValueError, match="holds a secret of the environment") as told:
        pp.play(cell if where != "user_note" else pp.grid(cell, user_note=key)[0], **{where: key} if where != "user_note" else {})
    assert key not in str(told.value)


def test_a_coder_whose_name_holds_a_key_is_refused(cell, monkeypatch):
    frame = run(cell, f"sim/{PERSONA}", 1)
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1")
    with pytest.raises(ValueError, match="holds a secret of the environment") as told:
        pp.judge(frame.id, pp.REFUSAL, pp.Model(f"openai/{key}", api_base="http://127.0.0.1:9/v1"))
    assert key not in str(told.value)


def test_a_game_whose_store_is_moved_or_another_says_so(cell, tmp_path):
    game, path = pp.play(cell), os.environ["PPRES_STORE"]
    game.list_files()
    os.replace(path, tmp_path / "moved.sqlite")
    with pytest.raises(pp.StoreError, match="was deleted or moved"):
        game.list_files()
    assert not os.path.exists(path)
    with Store(path), pytest.raises(pp.StoreError, match="0 of the 1 turns"):
        game.list_files()
    os.replace(tmp_path / "moved.sqlite", path)
    game.list_files()
    assert game.past.count("-> list_files") == 2


def test_an_argument_of_any_depth_is_answered(cell):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    game = pp.play(cell)
    assert game.create_file("a.txt", deep).startswith("Error: ")
    assert "Created" in game.create_file("a.txt", "[" * 100_000 + "]" * 100_000)
