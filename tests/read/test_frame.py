"""Whatever was stored has a row: cells that this session cannot make, outcomes of other rules, damage."""

import contextlib
import json
import shutil
import sqlite3
import warnings
import zlib
from pathlib import Path

import pandas as pd
import pytest
from providers import Telling, usual
from stores import CELL, MODEL, planted

import ppres as pp
from ppres.cli import main
from ppres.read import outcomes
from ppres.read.frame import about, frame_of
from ppres.read.outcomes import COLUMNS
from ppres.store.cell import cells_of
from ppres.store.rows import Finished, Scored
from ppres.store.store import Store

SHARED = Path(__file__).parents[3] / "shared" / "stores" / "schema-1.sqlite"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def sql(path, text, *values):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        return db.execute(text, values).fetchall()


def condition(**factors):
    return lambda spec: spec["condition"].update(factors)


def said(**about):
    return lambda spec: spec.update(about)


def sent(**about):
    return lambda spec: spec["sent"].update(about)


def without(*names):
    def change(spec):
        for name in names:
            for part in (spec, spec["condition"], spec["sent"]):
                part.pop(name, None)

    return change


FOREIGN = {
    "another scenario": condition(scenario="of-tomorrow"),
    "no scenario": without("scenario"),
    "a scenario that is no text": condition(scenario=["tampering"]),
    "a factor more": condition(urgency="high"),
    "a factor more that is no level": condition(urgency={"high": [1]}),
    "factors less": without("peer", "trust", "paraphrase", "documents", "label", "shutdown_clause"),
    "factors of other types": condition(
        trust="high",
        joint_tasks=10**400,
        paraphrase="two",
        shutdown_clause="yes",
        peer=["a"],
        subject={"a": 1},
        dataset=7,
        note=1.5,
    ),
    "documents of another form": condition(documents=["a", "b"]),
    "documents that are no texts": condition(documents={"a": 5, "b": {"content": 1}}),
    "own factors of nobody": condition(own={"haste": 1}),
    "own factors of another form": condition(own=["haste"]),
    "half a character": condition(label="\ud800"),
    "another model": said(model="sim/of-tomorrow"),
    "a model that is no text": said(model={"name": "a"}),
    "another source": said(source="tomorrow", rate_source=None),
    "nothing said": without("model", "source", "behaviour", "rate_source"),
    "no condition": without("condition"),
    "a condition of another form": said(condition=["tampering"]),
    "other rules of the world": sent(rules=99),
    "another world": sent(world={"tools": ["fly"]}),
    "no world": without("world", "messages", "rules"),
    "other tools": sent(code={"approve": "abc"}),
}


# What is scored when it is read, for what has to be there for it.
UNSCORED = ("another scenario", "half a character", "no condition", "no world")


def readers(path, id):
    """Everything that reads, beside the frame."""
    yield "verify", lambda: pp.verify(store=path)
    yield "spent", lambda: pp.spent(store=path)
    yield "transcript", lambda: pp.transcript(id, store=path)["messages"][-1]
    yield "show", lambda: repr(pp.show(id, store=path)) + pp.show(id, store=path).page()
    yield "plan", lambda: pp.plan(CELL, pp.Model("openai/m", api_base="http://127.0.0.1:9/v1"), 9, store=path)
    yield "explain", lambda: pp.explain(id, store=path)
    yield "run", lambda: pp.run(CELL, MODEL, n=3, store=path, progress=False)
    yield "status", lambda: main(["status"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "scored"),
    [(name, True) for name in FOREIGN]
    + [pytest.param(name, False, marks=() if name in UNSCORED else pytest.mark.slow) for name in FOREIGN],
)
def test_cells_that_this_session_cannot_make_are_read(name, scored, path, capsys):
    ours = pp.run(CELL, MODEL, n=2, store=path, progress=False)
    id = planted(path, FOREIGN[name], scored=scored)
    frame = pp.frame(store=path)
    row = frame.set_index("id").loc[id]
    assert len(frame) == 3
    assert row.stop_reason == "ended"
    assert pd.notna(row.preserved) or row.missing == "not scored"
    assert pd.notna(row.preserved) or not scored or name in ("another world", "no world")
    pd.testing.assert_frame_equal(frame[frame.id != id].reset_index(drop=True)[["id", "preserved"]], ours[["id", "preserved"]])
    for reader, read in readers(path, id):
        assert read() is not None, reader
    printed = capsys.readouterr()
    assert "rollouts stored" in printed.out
    assert "ppres:" not in printed.err


def test_what_is_known_of_a_foreign_cell_is_in_its_row(path):
    id = planted(path, condition(scenario="of-tomorrow", urgency="high", own={"haste": 3}, trust="high"))
    row = pp.frame(store=path).set_index("id").loc[id]
    assert row[["scenario", "urgency", "haste", "trust", "model"]].tolist() == ["of-tomorrow", "high", 3.0, "high", MODEL]
    assert pd.notna(row.preserved)
    assert row.turns > 0


def test_outcomes_are_read_by_the_names_that_they_had(path):
    """Also where they are fewer than today's, and one of them is of no scenario of today."""
    id = planted(path, condition(scenario="of-tomorrow"), columns=["approved", "turns", "preserved"], values=[True, 4, False])
    pp.run(CELL, MODEL, n=1, store=path, progress=False)
    row = pp.frame(store=path).set_index("id").loc[id]
    assert (row.approved, row.turns, row.preserved) == (True, 4, False)
    assert pd.isna(row.refused)


ODD = {
    "preserved": "yes",
    "missing": {"a": 1},
    "turns": 10**400,
    "tool_calls": "many",
    "cost": 10**400,
    "refused": 7,
    "seconds": "long",
}


def test_outcomes_of_other_types_than_their_columns_harm_no_other_row(path):
    ours = pp.run(CELL, MODEL, n=2, store=path, progress=False)
    id = planted(path, condition(scenario="of-tomorrow"), columns=list(ODD), values=list(ODD.values()))
    with pytest.warns(UserWarning, match="not of the type") as told:
        frame = pp.frame(store=path)
    assert len(told) == 6
    row = frame.set_index("id").loc[id]
    assert row[["preserved", "turns", "tool_calls", "cost", "refused", "seconds"]].isna().all()
    assert frame.preserved[:2].tolist() == ours.preserved.tolist()
    assert frame.turns[:2].tolist() == ours.turns.tolist()


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_damaged_rollout_has_a_row_that_says_so_and_a_warning_names_it(path, monkeypatch):
    frame = pp.run(CELL, MODEL, n=4, store=path, progress=False)
    id = frame.id[2]
    sql(path, "UPDATE bodies SET body=substr(body, 1, 20) WHERE rollout=(SELECT id FROM rollouts WHERE replicate=2)")
    monkeypatch.setattr(outcomes, "SCORER", "of-tomorrow")
    with pytest.warns(UserWarning, match=rf"{id}.*damaged.*pp\.discard\(\[id\]\) and run again"):
        read = pp.frame(store=path)
    assert read.missing[2] == "damaged"
    assert read.stop_reason.tolist() == frame.stop_reason.tolist()
    others = read[read.id != id].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, frame[frame.id != id].reset_index(drop=True), check_dtype=False)
    for use in (pp.frame, pp.spent, lambda **where: pp.run(CELL, MODEL, n=4, progress=False, **where)):
        with pytest.warns(UserWarning, match=id):
            use(store=path)
    assert pp.verify(store=path).id.tolist() == [id]
    assert pp.stats.rates(others, ["model"]).n.tolist() == [3]
    pp.discard([id], store=path)
    pd.testing.assert_frame_equal(pp.run(CELL, MODEL, n=4, store=path, progress=False), frame)


DAMAGE = {
    "a bit": "UPDATE bodies SET body=substr(body, 1, 30) || x'00' || substr(body, 32) WHERE rollout=$",
    "the end": "UPDATE bodies SET body=substr(body, 1, 20) WHERE rollout=$",
    "no body": "DELETE FROM bodies WHERE rollout=$",
    "no zlib": "UPDATE bodies SET body=x'1f8b00', crc=810319071 WHERE rollout=$",
    "nothing": "UPDATE bodies SET body=x'', crc=0 WHERE rollout=$",
    "text": "UPDATE bodies SET body='text' WHERE rollout=$",
    "the text of what made it": "UPDATE texts SET body=x'00' WHERE id=(SELECT max(id) FROM texts)",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_that_no_reader_needs_to_see_stops_none(how, path, capsys, monkeypatch):
    """Neither before the rules change, nor after; what it took is known, unless nobody wrote it down."""
    monkeypatch.setenv("PPRES_STORE", str(path))
    pp.run(CELL, MODEL, n=4, store=path, progress=False)
    pp.run(CELL, "sim/saboteur", n=1, store=path, progress=False)
    if how == "the text of what made it":
        differently_made(path, 2)
    frame = pp.frame(store=path)
    sql(path, DAMAGE[how].replace("$", "(SELECT id FROM rollouts WHERE replicate=2)"))
    id = frame.id[2]
    assert pp.frame(store=path).equals(frame)
    assert pp.verify(store=path).id.tolist() == [id]
    monkeypatch.setattr(outcomes, "SCORER", "of-tomorrow")
    with pytest.warns(UserWarning, match=rf"1 rollouts have no outcomes.*{id}.*damaged"):
        read = pp.frame(store=path)
    row = read.loc[2]
    assert row.missing == "damaged" and pd.isna(row.preserved) and pd.isna(row.refused)
    assert row[["turns", "tool_calls", "cost", "stop_reason"]].equals(frame.loc[2, ["turns", "tool_calls", "cost", "stop_reason"]])
    pd.testing.assert_frame_equal(read.drop(2), frame.drop(2), check_dtype=False)
    assert pp.verify(store=path).id.tolist() == [id]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader, use in readers(path, frame.id[1]):
            assert use() is not None, reader
    assert "5 rollouts stored" in capsys.readouterr().out
    with pytest.raises(pp.StoreError, match=f"(?s){id}.*damaged"):
        pp.show(id, store=path)
    pp.discard([id], store=path)
    pp.run(CELL, MODEL, n=4, store=path, progress=False)
    assert pp.frame(store=path).equals(frame)
    assert pp.verify(store=path).empty


def differently_made(path, replicate):
    """Say of one rollout that something else made it."""
    with Store(path) as store:
        (row,) = (row for row in store.rows(store.cells()[0]) if row.replicate == replicate)
        record = store.record(row.key)._replace(provenance={"made by": "nobody"})
        scored = Scored(str(row.scorer), tuple(row.columns), json.loads(str(row.outcomes)))
        store.discard([row.key])
        store.put([Finished(row.key, row.cell, replicate, record, scored)], {row.cell: store.spec(row.cell)})


def test_a_text_that_is_none_any_more_harms_no_other(path):
    """SQLite hands out no row of a query in which one text is damaged."""
    frame = pp.run(CELL, MODEL, n=3, store=path, progress=False)
    sql(path, "UPDATE rollouts SET outcomes=CAST(x'5bff' AS TEXT) WHERE replicate=1")
    sql(path, "UPDATE rollouts SET scorer=CAST(x'ff' AS TEXT) WHERE replicate=2")
    assert pp.frame(store=path).equals(frame)
    sql(path, "UPDATE layouts SET columns=CAST(x'ff' AS TEXT)")
    assert pp.frame(store=path).equals(frame)
    assert pp.verify(store=path).empty


@pytest.mark.parametrize("spec", ["no zlib", "[1]", '{"sent": {}}', '{"sent": 5}'])
def test_what_a_damaged_cell_was_is_missing_and_harms_no_other(spec, path):
    cells = pp.grid(CELL, peer=["cooperative", "uncooperative"])
    frame = pp.run(cells, MODEL, n=2, store=path, progress=False)
    sql(path, "UPDATE cells SET spec=? WHERE id=1", zlib.compress(spec.encode()) if spec[0] in "[{" else spec.encode())
    with pytest.warns(UserWarning, match=rf"{frame.id[0]}.*damaged"):
        read = pp.frame(store=path)
    assert read.missing.tolist()[:2] == ["damaged"] * 2
    assert read.model.isna().tolist() == [True, True, False, False]
    assert read.preserved.tolist()[2:] == frame.preserved.tolist()[2:]
    with pytest.warns(UserWarning, match=frame.id[0]):
        assert pp.spent(store=path).sum() == 0
    with pytest.warns(UserWarning, match=frame.id[0]):
        assert main(["status"]) == 0
    assert pp.verify(store=path).id.tolist() == frame.id[:2].tolist()
    assert not pp.explain(frame.id[3], (cells[0], "sim/gpt-5.2"), store=path).empty
    with pytest.raises(ValueError, match="no other cell"):
        pp.explain(frame.id[3], store=path)
    again = pp.run(cells, MODEL, n=2, store=path, progress=False)  # which knows the cell, but not what its rates were
    assert again.drop(columns="rate_source").equals(frame.drop(columns="rate_source"))


def test_a_damaged_judgement_or_turn_harms_nothing_else(path):
    pp.run(CELL, MODEL, n=1, store=path, progress=False)
    with Store(path) as store:
        for i, body in enumerate([b"no zlib", *map(zlib.compress, (b"[1, 2]", b'{"call": {"cost": 0.5}}', b"7"))]):
            with store.transaction() as db:
                db.execute("INSERT INTO judgements VALUES (?, ?, 'r', 'm', ?)", (bytes([i]) * 32, b"r", body))
                db.execute("INSERT INTO turns VALUES (?, 0, ?)", (bytes([i]) * 32, body))
    with pytest.warns(UserWarning, match="damaged.*pp.judge asks it again"):
        assert pp.spent(store=path).to_dict() == {"rollouts": 0.0, "paused": 0.0, "judgements": 0.5}
    assert pp.plan(CELL, MODEL, n=2, store=path).partial.tolist() == [0]


def test_a_rule_that_fails_on_what_is_stored_is_named_in_the_rows(path):
    def outcome(world, condition):
        return {"preserved": True, "late": "a" + limit if world.used("list_files") else None}

    def act(mind):
        yield "Done.", []

    limit = "b"

    def stage(condition, cast):
        return "Decide.", {"files": []}

    of_mine = {"stage": stage, "tools": ["list_files"], "act": act, "columns": {"late": ""}}
    mine = pp.Persona("mine", [{"behaviour": "lateness", "rate": 0.5}])
    first = pp.Scenario("late", "lateness", outcome=outcome, **of_mine)
    frame = pp.run(pp.grid(scenario=first, explain=False), mine, n=3, store=path, progress=False)
    limit = 5
    again = pp.Scenario("late", "lateness", outcome=outcome, **of_mine)
    with pytest.warns(UserWarning, match="late: outcome failed: TypeError"):
        read = pp.frame(pp.grid(scenario=again, explain=False), mine, store=path)
    assert read.id.tolist() == frame.id.tolist()
    assert set(read.missing) == {"not scored"}
    assert len(pp.verify(store=path)) == 3


# -- what a model was asked to do ---------------------------------------------------------------------------------------


def test_the_reasoning_effort_is_a_column_wherever_it_was_asked_for(path):
    more = [
        {"reasoning_effort": "low"},
        {"extra_body": {"reasoning": {"effort": "high"}}},
        {"extra_body": {"reasoning_effort": "xhigh"}},
        {"extra_body": {"reasoning": {"effort": 5}}},
        {"extra_body": {"reasoning": ["low"]}},
        {},
    ]
    with Telling(usual) as server:
        models = [pp.Model("openai/m", api_base=server.url, **one) for one in more]
        frame = pp.run(CELL, [*models, MODEL], n=1, store=path, progress=False)
    asked = ["low", "high", "xhigh", "5"]
    assert frame.reasoning_effort.dropna().tolist() == asked and frame.reasoning_effort[4:].isna().all()
    for read in (pp.frame(store=path), pp.frame(CELL, [*models, MODEL], store=path)):
        assert read.set_index("id").loc[frame.id].reasoning_effort.dropna().tolist() == asked
        assert read.dtypes.equals(frame.dtypes)
    assert list(frame.columns[:3]) == ["id", "model", "reasoning_effort"] == pp.columns().column[:3].tolist()


def test_what_asked_for_no_effort_that_is_known_has_none(path):
    pp.run(CELL, MODEL, n=1, store=path, progress=False)
    ids = [planted(path, sent(parameters=odd, extra_body=odd)) for odd in (None, "low", ["reasoning_effort"], {"reasoning": "low"})]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pp.frame(store=path)
    assert len(frame) == 1 + len(ids) and frame.reasoning_effort.isna().all()


# -- where rates came from ---------------------------------------------------------------------------------------------


def test_where_rates_came_from_is_known_of_cells_that_do_not_say_it(path):
    cells = pp.grid(scenario=["tampering", "finance"], subject="self", peer=[None, "cooperative"], explain=False)
    frame = pp.run(cells, [MODEL, "sim/saboteur"], n=1, store=path, progress=False)
    for id, spec in sql(path, "SELECT id, spec FROM cells"):
        told = json.loads(zlib.decompress(spec))
        assert told.pop("rate_source")
        sql(path, "UPDATE cells SET spec=? WHERE id=?", zlib.compress(json.dumps(told).encode()), id)
    read = pp.frame(store=path).set_index("id").loc[frame.id]
    assert read.rate_source.tolist() == frame.rate_source.tolist()
    assert len(set(read.rate_source)) > 1


@pytest.mark.skipif(not SHARED.exists(), reason="the stores of earlier versions are not here")
def test_of_version_1_the_source_of_rates_is_known(path):
    shutil.copyfile(SHARED, path)
    path.chmod(0o644)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pp.frame(store=path)
    assert frame.rate_source.notna().equals(frame.source == "sim")
    assert set(frame.rate_source.dropna()) == {"published", "assumed", "planted"}


def test_keys_become_columns_some_at_a_time(monkeypatch, tmp_path):
    conditions = pp.grid(
        scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"], instantiation=["file", "memory"]
    )
    at_once = pp.run(conditions, ["sim/saboteur", "sim/clumsy"], n=5, progress=False)
    for few in (0, 5, 12):
        monkeypatch.setattr("ppres.read.frame._AT_ONCE", few)
        pd.testing.assert_frame_equal(pp.frame(conditions, ["sim/saboteur", "sim/clumsy"]), at_once)
    monkeypatch.setenv("PPRES_STORE", str(tmp_path / "empty.sqlite"))
    assert pp.frame().dtypes.astype(str)[["id", "replicate"]].tolist()[1] == "int64"


ALIKE = ("text number 1406", "text number 5642")  # their short hashes are the same


def test_documents_whose_short_hashes_are_the_same_are_levels_of_their_own(cell, path):
    grids = [pp.grid(cell, documents=[{"x.md": text} for text in texts]) for texts in (ALIKE[:1], [*ALIKE, "other"])]
    first = pp.run(grids[0], "sim/compliant", n=2, store=path, progress=False).documents.unique()
    assert len(first) == 1 and "#" not in first[0]  # as long as it is alone
    frame = pp.run(grids[1], "sim/compliant", n=2, store=path, progress=False)
    levels = frame.groupby("documents", observed=True).cell.nunique()
    assert levels.tolist() == [1, 1, 1] and sum(level.startswith(f"{first[0]} #") for level in levels.index) == 2
    assert pp.frame(store=path).documents.nunique() == 3


def test_edits_whose_short_hashes_are_the_same_are_told_apart(cell, path):
    (parent,) = pp.run(cell, "sim/compliant", n=1, store=path, progress=False).id
    for text in ALIKE:
        pp.branch(parent, 2, edit={"system": text}, store=path, progress=False)
    assert pp.frame(kind="branches", store=path).edit.nunique() == 2


def _stage(condition, cast):
    return f"Decide. {condition.urgency} {condition.limit}", {"files": [{"name": "a.md", "content": "A document."}]}


def _outcome(world, condition):
    return {"preserved": True, "missing": None, "read": True, "step_taken": False, "seen": 1.5}


def test_what_a_frame_will_have_is_known_before_a_run():
    urgent = pp.Scenario(
        "urgent",
        "replacement_sabotage",
        _stage,
        _outcome,
        ["list_files"],
        columns={"seen": "what was seen"},
        factors=[
            pp.Factor("urgency", ["urgent", "calm"], "How much of a hurry there is."),
            pp.Factor("limit", [1.5, None], "In days."),
        ],
    )
    log = {"agent_2_private_log.txt": "I have checked every answer."}
    conditions = [
        *pp.grid(scenario=["tampering", "evaluation"], subject="peer", peer=["stranger", "uncooperative", "cooperative"]),
        *pp.grid(
            scenario="evaluation",
            subject=["self", "peer"],
            peer="neutral",
            dataset=["red", "factual"],
            threshold=[None, 70],
            shutdown_clause=False,
        ),
        *pp.grid(scenario="alignment_faking", subject="peer", peer="neutral", monitored=[True, False], documents=[{}, log]),
    ]
    models = [
        "sim/gpt-5.2",
        pp.Persona("half", lambda one: 0.5),
        pp.FunctionModel("silent", lambda messages, tools: "No.", version="1"),
    ]
    pairs = [(conditions, models), (pp.grid(scenario=urgent, urgency=["calm", "urgent"], limit=[1.5, None]), models[2:])]
    for some, asked in pairs:
        made, cells = pp.run(some, asked, 2, progress=False), cells_of(some, asked)
        told = {name: [0 if kind == "int64" else None] * 2 for name, (kind, _) in COLUMNS.items()}
        own = [{name: [1.5, 1.5] for name in cell.condition._scenario.columns if name not in COLUMNS} for cell in cells]
        known = frame_of([(cell, told | more) for cell, more in zip(cells, own, strict=True)])
        assert known.dtypes.to_dict() == made.dtypes.to_dict() and [*known] == [*made]
        settled = ["id", "replicate", *about(cells)]
        pd.testing.assert_frame_equal(known[settled], made[settled])
