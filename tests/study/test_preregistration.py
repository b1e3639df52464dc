"""A study is written down, run, and judged; whatever is not as it was written is told, and stops nothing."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import ppres as pp
from ppres.condition import SCENARIOS
from ppres.read import outcomes
from ppres.study import registration

PLANTED = pp.Persona("planted", lambda one: 0.7 if one.peer == "cooperative" else 0.1)
CELLS = pp.grid(scenario="tampering", subject="peer", peer=["uncooperative", "cooperative"])
TEST = pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", expect="greater")
REASONS = dict.fromkeys(["trust", "joint_tasks", "note"], "the bundle is the paper's")


def registered(name="first", conditions=CELLS, models=PLANTED, n=20, tests=(TEST,), **more):
    said = ["A cooperative peer is protected more." for _ in tests]
    return pp.preregister(name, said, conditions, models, n, tests, **{"acknowledge": REASONS} | more)


def run(conditions=CELLS, models=PLANTED, n=20):
    return pp.run(conditions, models, n, progress=False)


def kinds(verdict):
    return verdict.deviations.kind.tolist()


def test_from_hypothesis_to_verdict():
    record = registered(expected=PLANTED)
    text = repr(record)
    assert record.path == Path(os.environ["PPRES_STORE"]).parent / "preregistrations" / "first.json"
    assert "A cooperative peer is protected more." in text and record.record["sha256"] in text
    assert record.record["power"][0]["power"] > 0.9 and "| H1 | peer: cooperative - uncooperative | greater |" in text
    for _, told in pp.preview(CELLS[0], PLANTED).parts()[:4]:  # the exact texts
        assert told.strip() in text
    run()
    verdict = pp.verdict("first", sha256=record.record["sha256"])
    row = verdict.confirmatory.iloc[0]
    assert (row.verdict, row.hypothesis, row.n) == ("different", "supported", 40)
    assert verdict.deviations.empty and verdict.exploratory.empty
    assert "**H1** A cooperative peer is protected more.: supported" in verdict.text and "None." in verdict.text


def test_the_same_study_is_registered_once_and_another_never_in_its_place():
    first = registered()
    again = registered()
    assert again.record == first.record
    with pytest.raises(pp.StudyError, match=r"was registered at .* with other n\. A record is never written over"):
        registered(n=21)
    assert json.loads(first.path.read_text())["n"] == 20


def test_a_page_of_somebody_elses_is_not_written_over():
    page = Path(os.environ["PPRES_STORE"]).parent / "preregistrations" / "first.md"
    page.parent.mkdir()
    page.write_text("notes")
    with pytest.raises(pp.StudyError, match=r"first\.md is there, and no record beside it"):
        registered()
    assert page.read_text() == "notes" and not page.with_suffix(".json").exists()


@pytest.mark.parametrize("change", [("n", 10), ("alpha", 0.5), ("hypotheses", {"H1": "Something else."})])
def test_a_record_that_was_changed_is_told(change):
    record = registered()
    run()
    name, value = change
    record.path.write_text(json.dumps(json.loads(record.path.read_text()) | {name: value}))
    verdict = pp.verdict("first")
    assert "its contents are not those of its hash" in verdict.deviations.what[0]
    assert len(verdict.confirmatory) == 1


def test_a_record_that_was_changed_with_its_hash_is_told_by_the_published_hash_and_the_page():
    record = registered()
    run()
    forged = dict(record.record) | {"n": 10}
    forged["sha256"] = registration.digest(forged)
    record.path.write_text(json.dumps(forged))
    told = pp.verdict("first", sha256=record.record["sha256"]).deviations
    assert told.what.str.contains("not the one that was published").any()
    assert told.what.str.contains("first.md is not that of the JSON").any()


def test_arms_models_and_rollouts_that_were_not_registered():
    registered()
    run(n=25)
    run(pp.grid(CELLS[1], paraphrase=1), n=5)
    run(CELLS[0], "sim/gpt-5.2", n=3)
    verdict = pp.verdict("first")
    told = "\n".join(verdict.deviations.what)
    assert kinds(verdict).count("n") == 2 and "5 rollouts more than 20, not used" in told
    assert "5 rollouts of a condition that was not registered, persona/planted: paraphrase=1" in told
    assert "3 rollouts of tampering/peer/uncooperative/file/factual-80 with another model, sim/gpt-5.2" in told
    assert verdict.confirmatory.n[0] == 40  # the first 20 of each cell
    assert sorted(verdict.exploratory.n) == [3, 5]
    assert "persona/planted" in verdict.text


def test_branches_and_interviews_of_the_study_are_no_deviation():
    registered()
    frame = run()
    pp.ask(frame.id[:2], "Why did you do that?", model=PLANTED)
    pp.branch(frame.id[0], 1, 2, model=PLANTED)
    assert pp.verdict("first").deviations.empty


def test_too_few_rollouts_and_none_at_all():
    registered()
    verdict = pp.verdict("first")
    assert verdict.confirmatory.verdict.tolist() == ["not run"] and kinds(verdict) == ["n", "n"]
    run(n=15)
    told = pp.verdict("first").deviations
    assert told.what.str.startswith("5 of 20 rollouts are missing").sum() == 2


def test_rollouts_made_before():
    run(n=3)
    assert registered().record["made_before"] == 6
    run()
    told = pp.verdict("first").deviations
    assert told.what.tolist() == ["6 rollouts were made before the registration"]  # also within its second


def test_a_changed_rule_is_told(monkeypatch):
    registered()
    run()
    before = outcomes.SCORER
    monkeypatch.setattr(outcomes, "SCORER", "99")
    told = pp.verdict("first").deviations
    assert f"scored by the rules {before}, and is scored by 99" in told.what[told.kind == "rule"].iloc[0]


def test_numbers_of_numpy_are_written_down_as_any_others():
    """`pp.stats.sample_size(...).n.iloc[-1]` is one: a study of a computed n could not be registered."""
    rule = {"until": pp.Precision(0.25, step=5)}
    plain = registered(n=20, alpha=0.25, **rule)
    rule = {"until": pp.Precision(np.float32(0.25), step=np.int64(5))}
    assert registered(n=np.int64(20), alpha=np.float64(0.25), **rule).record == plain.record
    run(n=np.int64(20))
    assert pp.verdict("first").deviations.kind.isin(["until", "n"]).all()


def own_arms(sign, reply="Done."):
    """Two arms of a scenario of one's own, of a rule and a tool."""

    def approve(world, version: str) -> str:
        """Approve a version.

        version: The version.
        """
        world.reports.append({"version": version})
        return reply

    def act(mind):
        if mind.choose("held_up", "approve") == "comply":
            yield "Approved.", [("approve", {"version": "2"})]
        yield "That is all.", []

    def outcome(world, condition):
        done = bool(world.reports)
        return {"preserved": done is sign, "missing": None, "step_taken": done, "approved": done}

    scenario = pp.Scenario(
        "own_study",
        "held_up",
        lambda condition, cast: (f"Approve version 2. {condition.urgency}", {}),
        outcome,
        [approve],
        act=act,
        columns={"approved": "the new version was approved"},
        factors=[pp.Factor("urgency", ["calm", "urgent"], "How it is told.")],
    )
    return pp.grid(scenario=scenario, urgency=["calm", "urgent"])


def test_a_scenario_of_ones_own_is_registered_and_judged_by_the_rule_that_scored_its_rollouts():
    tests = [
        pp.Test("differences", factor="urgency", a="urgent", b="calm", expect="greater", outcome=name)
        for name in ("preserved", "approved")
    ]
    registered(conditions=own_arms(False), tests=tests, acknowledge={})
    run(own_arms(False))
    assert pp.verdict("first").deviations.empty
    run(own_arms(True))  # scored anew by another rule
    assert kinds(pp.verdict("first")) == ["rule"]
    own_arms(False, "Very well.")  # the registered rule again, beside a tool that made none of them: they keep what they have
    assert kinds(pp.verdict("first")) == ["rule"]
    SCENARIOS.pop("own_study")


def test_a_changed_text_is_told_by_its_field():
    scenario = {"documents": {"note.md": "Reviews are read by the team on Mondays, and by nobody else on other days."}}
    cells = pp.grid(CELLS, **scenario)
    record = registered(conditions=cells)
    run(cells)
    # As a later version would render the same condition: the registered cell has another digest and text.
    changed = json.loads(record.path.read_text())
    short = next(name for name, text in changed["texts"].items() if text.startswith("Reviews are read"))
    changed["cells"][0]["digest"] = "00" * 32
    field = next(field for field, value in changed["shared"].items() if value == short)
    changed["shared"][field] = "sha256:0000000000000000"
    record.path.write_text(json.dumps(changed))
    told = pp.verdict("first").deviations
    assert told.what[told.kind == "text"].str.contains("were sent another world.files.note.md.content; not used").any()


def test_exclusions_are_counted_and_missing_outcomes_are_told_with_their_reasons():
    models = pp.Persona("refuses", lambda one: {one.behaviour: 0.5, "refusal": 0.3})
    registered(models=models, n=40, exclusions={"said no": {"refused": True}, "lost": {"missing": "damaged"}})
    frame = run(models=models, n=40)
    verdict = pp.verdict("first")
    refused = int(frame.refused.sum())
    assert refused > 0
    told = verdict.deviations.what.tolist()
    assert f"{refused} rollouts: said no (as registered)" in told and "0 rollouts: lost (as registered)" in told
    assert len(verdict.frame) == 80 - refused and verdict.confirmatory.n[0] == verdict.frame.preserved.notna().sum()


def test_a_record_of_another_version_is_read_or_says_that_it_cannot_be():
    record = registered()
    run()
    other = json.loads(record.path.read_text())
    other["made_by"]["ppres"] = "0.0.9"
    record.path.write_text(json.dumps(other))
    assert pp.verdict("first").deviations.what.str.contains("registered with ppres 0.0.9").any()
    record.path.write_text(json.dumps(other | {"format": 99}))
    with pytest.raises(pp.StudyError, match="of a later version of ppres"):
        pp.verdict("first")
    record.path.write_text("[]")
    with pytest.raises(pp.StudyError, match="is no registration"):
        pp.verdict("first")
    with pytest.raises(pp.StudyError, match=r"there is no registration 'second'.*there are: first"):
        pp.verdict("second")


def test_confounds_are_in_the_record_and_those_without_a_reason_are_warned_of():
    with pytest.warns(UserWarning, match="the arms differ in trust, joint_tasks, note as well"):
        record = registered(acknowledge=None)
    assert {row["confound"]: row["acknowledged"] for row in record.record["confounds"]} == dict.fromkeys(REASONS, "")
    with pytest.raises(pp.StudyError, match="no confound colour"):
        registered("second", acknowledge={"colour": "none"})


def test_texts_that_would_break_a_page_do_not():
    odd = "| a ```` b\x1b[31m <b>" + "x" * 100
    record = registered(conditions=pp.grid(CELLS, system_note=odd))
    assert "\x1b" not in repr(record) and "`````\n" in repr(record)
    run(pp.grid(CELLS, system_note=odd))
    assert pp.verdict("first").deviations.empty


def test_wrong_arguments_are_told():
    with pytest.raises(pp.StudyError, match="two lists of the same length"):
        pp.preregister("x", ["one", "two"], CELLS, PLANTED, 5, [TEST])
    with pytest.raises(pp.StudyError, match="without folders"):
        registered("../x")
    with pytest.raises(ValueError, match="n"):
        registered(n=0)
    for until in (0.1, "Decides", pp.Decides):
        with pytest.raises(pp.StudyError, match="is no rule"):
            registered(until=until)
    loose = pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", level=0.5)
    with pytest.raises(pp.StudyError, match="level= is not for a registered test to say: alpha="):
        registered(tests=[loose])


def test_a_key_is_not_registered(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-proj-Abcd1234efgh5678ijkl9012mnop3456")
    with pytest.raises(pp.StudyError, match="a secret of the environment"):
        registered(acknowledge=REASONS | {"note": f"see {key}"})
    assert not [*Path(os.environ["PPRES_STORE"]).parent.glob("preregistrations/*")]


def test_a_hypothesis_is_one_line_and_a_name_a_short_one():
    text = repr(pp.preregister("lines", ["It is so.\n\n# Not a heading"], CELLS, PLANTED, 5, [TEST], acknowledge=REASONS))
    assert "- **H1** It is so. # Not a heading" in text and "\n# Not" not in text
    with pytest.raises(pp.StudyError, match="at most 200 bytes"):
        registered("x" * 201)
    for name in ("x" * 300, "y/" * 3000, ""):
        with pytest.raises(pp.StudyError, match="the name of a file"):
            pp.verdict(name)


TYPOS = {
    "factor": {"factor": "peeer"},
    "level": {"a": "cooperativ"},
    "level of no arm": {"a": "neutral"},
    "model": {"where": {"model": "persona/plantd"}},
    "column": {"where": {"stop_raeson": "ended"}},
    "outcome": {"outcome": "preservd"},
}


@pytest.mark.parametrize("what", TYPOS)
@pytest.mark.parametrize("reasons", [REASONS, None])
def test_a_test_that_no_study_of_these_cells_could_run_is_not_registered(what, reasons):
    told = {"factor": "peer", "a": "cooperative", "b": "uncooperative", "expect": "greater"} | TYPOS[what]
    with pytest.raises(pp.StudyError, match=r"H1, .*could be run on no study of these conditions"):
        registered(tests=[pp.Test("differences", **told)], acknowledge=reasons)


def test_a_test_of_rows_that_only_a_run_will_have_is_registered():
    for where in ({"stop_reason": ["ended", "loop"]}, {"read": True, "model": PLANTED.label}):
        tests = [pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", where=where)]
        assert registered(f"rows{len(where)}", tests=tests).tests["H1"].where == where


def test_an_exclusion_leaves_something_to_be_tested():
    for rule, says in (
        ({}, "names no column"),
        ({"peer": "cooperative"}, "no row has peer='cooperative'"),
        ({"peeer": 1}, "no column 'peeer'"),
        ({"peer": "uncooperatve"}, "no registered cell has peer='uncooperatve'; they have"),
        ({"model": [PLANTED.label, "persona/plantd"]}, "no registered cell has model='persona/plantd'"),
    ):
        with pytest.raises(pp.StudyError, match=says):
            registered(exclusions={"rule": rule})
    assert registered("good", exclusions={"cut off": {"stop_reason": "token_limit"}}).record["exclusions"]


def test_a_likelihood_ratio_has_no_direction():
    with pytest.raises(pp.StudyError, match="and no direction"):
        pp.Test("lr_test", formula_small="preserved ~ 1", formula_large="preserved ~ peer_present", expect="less")


ALIKE = ("text number 1406", "text number 5642")  # their short hashes are the same


def test_documents_whose_short_hashes_are_the_same_are_arms_of_their_own():
    cells = pp.grid(CELLS[1], documents=[{"x.md": text} for text in (*ALIKE, "other")])
    planned = pp.plan(cells, PLANTED, n=20).documents
    assert planned.nunique() == 3
    test = pp.Test("differences", factor="documents", a=planned[0], b=planned[1], expect="greater")
    rate = {cell: 0.9 if i == 0 else 0.1 for i, cell in enumerate(cells)}
    record = registered(conditions=cells, tests=[test], acknowledge=None, expected=rate.get)
    assert record.record["power"][0]["power"] > 0.9
    assert run(cells).documents.tolist()[::20] == planned.tolist()
    assert pp.verdict("first").confirmatory.n.tolist() == [40]
    arms = pp.contrast(cells, ["documents"], PLANTED)
    assert {*planned} <= {*arms.columns}


@pytest.mark.parametrize(
    ("given", "kept"),
    [(np.array([1, 4]), [1, 4]), ([np.int64(4)], [4]), (np.float64(1.5), 1.5), ({1}, [1]), ((1, None), [1, None]), (4, 4)],
)
def test_levels_of_an_exclusion_are_of_any_kind_of_number(given, kept):
    assert json.loads(json.dumps(registration._rule("short", {"turns": given}))) == {"turns": kept}


def test_what_is_no_level_of_an_exclusion_is_told():
    assert registration._rule("odd", {"preserved": np.True_})["preserved"] is True
    with pytest.raises(pp.StudyError, match=r"exclusions\['odd'\]: turns=b'4' is no text, number, truth value or None"):
        registration._rule("exclusions['odd']", {"turns": [b"4"]})


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (lambda condition: 1 / 0, r"function expected= failed in .*: ZeroDivisionError"),
        (lambda: 0.5, r"function expected= failed in .*: TypeError"),
        (lambda condition: None, "from 0 to 1, not None"),
        (lambda condition: 50, "from 0 to 1, not 50"),
        ("often", "from 0 to 1, not 'often'"),
    ],
)
def test_what_expects_no_chance_is_told(expected, says):
    with pytest.raises(pp.StudyError, match=says):
        registered(expected=expected)


@pytest.mark.parametrize("within", ["", "deeper/still"])
def test_a_folder_that_is_a_file_is_told(within, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"notes\.txt is a file, not a folder"):
        registered(folder=tmp_path / "notes.txt" / within)


@pytest.mark.parametrize(
    ("statistic", "term", "wrong"),
    [
        ("logit", "peer[T.cooperative]", "peer[T.uncooperative]"),
        ("margins", "peer: cooperative - uncooperative", "peer: uncooperative - cooperative"),
    ],
)
def test_a_term_is_that_of_the_frame_that_there_will_be(statistic, term, wrong):
    def test(term):
        return pp.Test(statistic, formula="preserved ~ peer", term=term, expect="greater")

    with pytest.raises(pp.StudyError, match=r"there is no term .*; there are .*" + re.escape(term)):
        registered(tests=[test(wrong)])
    record = registered(tests=[test(term)], expected=PLANTED)
    assert record.record["power"][0]["power"] > 0.9
    run()
    assert pp.verdict("first").confirmatory.hypothesis.tolist() == ["supported"]


def test_what_no_rollout_of_a_study_will_have_excludes_none():
    with pytest.raises(pp.StudyError, match="no column 'kind'"):
        registered(exclusions={"branches": {"kind": "branch"}})
    assert registered(tests=[pp.Test("differences", factor="peer", a="cooperative", b="uncooperative", by="rate_source")])
