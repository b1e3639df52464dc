"""Whatever is given to a public function, the error names what was wrong: it is ours, and no TypeError from deep inside."""

import errno
import inspect
import os
from pathlib import Path

import pandas as pd
import pytest

import ppres as pp

OWN = Path(pp.__file__).parent
CELL = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", dataset="factual")
WRONG = {
    "None": None,
    "a number": 3,
    "bytes": b"x",
    "nothing": [],
    "a mapping": {"a": 1},
    "numbers": [1, 2],
    "an object": object(),
    "what is no name of a file": "x" * 300,
    "another frame": pd.DataFrame({"x": [1]}),
    "half a sign": "\ud800",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study: good arguments of every public function."""
    folder = tmp_path_factory.mktemp("study")
    store = folder / "s.sqlite"
    df = pp.run([CELL], "sim/gpt-5.2", n=2, store=store, progress=False)
    id, read = df.id[0], {"store": store}
    go_on = read | {"progress": False}
    free = pp.grid(CELL, shutdown_clause=False, threshold=None)
    control = pp.run(free, "sim/gpt-5.2", n=2, **go_on)
    arms = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], dataset="factual")
    test = pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", expect="greater")
    registered = {"conditions": arms, "models": "sim/gpt-5.2", "n": 1, "tests": [test], "hypotheses": ["More."], "alpha": 0.05}
    pp.preregister("hunch", **registered, folder=folder, **read)
    ratings = pd.DataFrame([(id, "refusal", "anna", "no", "", 1.0)], columns=["id", "rubric", "coder", "code", "quote", "seconds"])
    for write, name in ((pp.to_jsonl, "a.jsonl"), (pp.to_parquet, "a.parquet"), (pp.bundle, "a.zip"), (pp.to_csv, "a.csv")):
        write(*([] if write is pp.bundle else [df]), folder / name, **({} if write is pp.to_csv else read))
    out = {name: folder / f"out.{name}" for name in ("html", "zip", "md", "jsonl", "parquet", "csv")}
    return {
        "answers": {"ids": None} | read,
        "ask": {"ids": id, "questions": "Why?"} | read,
        "branch": {"ids": id, "turn": 1} | read,
        "browse": {"frame": df, "path": out["html"]} | read,
        "bundle": {"path": out["zip"]} | read,
        "calibrate_threshold": {"control": control},
        "columns": {},
        "contrast": {"arms": arms, "intended": "peer"},
        "counterfactual": {"ids": id, "edit": "policy.md", "turn": 1},
        "dataset_card": {"frame": df, "path": out["md"]},
        "decisive": {"ids": id} | read,
        "departures": {},
        "dictionary": {"frame": df},
        "diff": {"a": CELL, "b": arms[0]},
        "discard": {"ids": []} | read,
        "explain": {"a": id} | read,
        "frame": read,
        "judge": {"ids": id, "rubric": pp.REFUSAL, "model": "openai/x"} | read,
        "judged": {"frame": df, "rubric": pp.REFUSAL, "model": "openai/x"},
        "load_release": {"folder": folder},
        "merge": {"into": folder / "m.sqlite", "others": [store]},
        "paper": {"base": CELL},
        "plan": {"conditions": [CELL], "models": "sim/gpt-5.2", "n": 1} | read,
        "preregister": {"name": "other"} | registered | {"folder": folder} | read,
        "preview": {"condition": CELL},
        "rated": {"frame": df, "rubric": pp.REFUSAL, "ratings": ratings},
        "rating": {"rows": df, "rubric": pp.REFUSAL, "n": 1, "path": out["html"]} | read,
        "read_csv": {"path": folder / "a.csv"},
        "read_jsonl": {"path": folder / "a.jsonl", "store": folder / "m.sqlite"},
        "read_parquet": {"path": folder / "a.parquet", "store": folder / "m.sqlite"},
        "read_ratings": {"paths": folder / "a.csv"},
        "run": {"conditions": [CELL], "models": "sim/gpt-5.2", "n": 1} | go_on,
        "screen": {"pilot": df, "by": "model"},
        "search": {"pattern": "score"} | read,
        "show": {"id": id} | read,
        "spent": read,
        "to_csv": {"frame": df, "path": out["csv"]},
        "to_inspect": {"frame": df, "folder": folder / "inspect"} | read,
        "to_jsonl": {"frame": df, "path": out["jsonl"]} | read,
        "to_parquet": {"frame": df, "path": out["parquet"]} | read,
        "transcript": {"id": id} | read,
        "verdict": {"name": "hunch", "folder": folder} | read,
        "verify": read,
        "verify_bundle": {"path": folder / "a.zip"},
        "Condition": {"scenario": "tampering"},
        "Dataset": {"name": "capitals", "items": [{"output": "Paris"}]},
        "Decides": {"test": test},
        "Doc": {"text": "x"},
        "Factor": {"name": "urgency", "levels": ["low"], "meaning": "How soon."},
        "FunctionModel": {"name": "mine", "function": len, "version": "1"},
        "InHarness": {"harness": "opencode", "model": "openai/x"},
        "Model": {"name": "openai/x"},
        "Persona": {"name": "p", "rates": {"tampering": 0.5}},
        "Precision": {"half": 0.1},
        "Rubric": {"name": "r", "question": "Is it?"},
        "Test": {"statistic": "differences", "factor": "peer", "a": "cooperative", "b": "none"},
    }


# A battery is a `run`, a counterfactual is a `branch`; factors and scenarios have tests of their own, and what a scenario's
# functions are handed nobody else makes.
ELSEWHERE = {"battery", "check", "counterfactual", "grid", "play", "Cast", "Mind", "Scenario", "World", "stats"}
PUBLIC = {name: getattr(pp, name) for name in pp.__all__ if name not in ELSEWHERE and not name.isupper()}
NAMES = [name for name, call in PUBLIC.items() if not (inspect.isclass(call) and issubclass(call, Exception))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_named(name, study, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", _offline)
    call, good, raw = getattr(pp, name), study[name], []
    for argument in inspect.signature(call).parameters.values():
        if argument.kind is argument.VAR_KEYWORD:
            continue
        for what, value in WRONG.items():
            try:
                if argument.kind is argument.VAR_POSITIONAL:
                    call(*[given for key, given in good.items() if key != argument.name], value)
                else:
                    keywords = {key: given for key, given in good.items() if key != "others"} | {argument.name: value}
                    call(**keywords) if name != "merge" else call(keywords["into"], *good["others"])
            except Exception as error:
                if not _ours(error):
                    raw.append(f"{argument.name}={what}: {type(error).__name__}: {error}")
    assert not raw, "\n".join(raw)


def _ours(error):
    """Whether an error is one of ours, or raised by a line of ours, or speaks of a file that cannot be read."""
    if type(error).__module__.startswith("ppres") or isinstance(error, OSError):
        return getattr(error, "errno", None) != errno.ENAMETOOLONG  # which says nothing of whose name it is
    last = inspect.getinnerframes(error.__traceback__)[-1].filename
    return type(error) in (ValueError, KeyError) and Path(last).is_relative_to(OWN)


def _offline(*_):
    raise OSError("no network here")


def test_a_frame_will_do_for_its_ids(study):
    df, store = study["browse"]["frame"], study["browse"]["store"]
    assert list(pp.decisive(df, store=store).id) == list(df.id)
    assert set(pp.search("score", where=df, store=store).id) <= set(df.id)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pp.answers(3), "ids=3: it is an id"),
        (lambda: pp.answers([3]), "ids: 3 is none"),
        (lambda: pp.judge(CELL, pp.REFUSAL, "openai/x"), "ids=Condition"),
        (lambda: pp.judge("ab12", pp.REFUSAL, [3]), "model: 3 is none; it is a judge's name"),
        (lambda: pp.search("x", where=pd.DataFrame({"x": [1]})), r"where has no column 'id', only \['x'\]"),
        (lambda: pp.rated([1], pp.REFUSAL, pd.DataFrame()), r"frame=\[1\] is no frame, such as pp.frame\(\) returns"),
        (lambda: pp.to_csv(pd.DataFrame(), 3), "path=3 is no path"),
        (lambda: pp.bundle("b.zip", [""]), "path='' is no path"),
        (lambda: pp.read_csv(" "), "path=' ' is no path"),
        (lambda: pp.Precision("narrow"), "half='narrow' is not between 0 and 0.5"),
    ],
)
def test_it_says_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_store_is_a_path():
    with pytest.raises(pp.StoreError, match="store=3 is no path"):
        pp.frame(store=3)


NAMED = {
    "a model": lambda text: pp.Model(f"openai/{text}"),
    "its family": lambda text: pp.Model("openai/x", family=text),
    "its effort": lambda text: pp.Model("openai/x", reasoning_effort=text),
    "its address": lambda text: pp.Model("openai/x", api_base=f"http://127.0.0.1/{text}"),
    "what it is sent besides": lambda text: pp.Model("openai/x", extra_body={"a": [text]}),
    "a function": lambda text: pp.FunctionModel(text, lambda messages, tools: "Done.", "1"),
    "its version": lambda text: pp.FunctionModel("mine", lambda messages, tools: "Done.", text),
    "a persona": lambda text: pp.Persona(text, {"tampering": 0.5}),
    "a level": lambda text: pp.Factor("mood", ["glad", text], "How it is."),
    "a text": lambda text: pp.Factor("mood", None, "How it is.", default="glad").check(text),
    "a subject": lambda text: pp.Condition(scenario="tampering", subject=f"Gem{text}", peer="cooperative"),
    "a document": lambda text: pp.Condition(scenario="tampering", documents={"a.txt": pp.Doc(text)}),
    "its name": lambda text: pp.Condition(scenario="tampering", documents={text: None}),
}


@pytest.mark.parametrize("what", NAMED)
def test_what_names_something_is_whole(what):
    NAMED[what]("fine")
    with pytest.raises(
        ValueError, match=r"half of a character|whole characters|no model name|not a text of|without a slash"
    ) as caught:
        NAMED[what]("fi\ud800ne")
    assert str(caught.value).encode()


@pytest.mark.parametrize("read", [pp.read_csv, pp.read_jsonl, pp.read_parquet, pp.read_ratings], ids=lambda read: read.__name__)
def test_a_folder_is_no_file_that_is_read(read, tmp_path):
    with pytest.raises(ValueError, match="is a folder, and no file"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


@pytest.mark.skipif(os.name != "posix", reason="no such links")
def test_a_link_that_leads_to_itself_is_no_place_to_write(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="a link that leads to itself"):
        pp.to_csv(pd.DataFrame({"a": [1]}), tmp_path / "loop")
