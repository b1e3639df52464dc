"""The authors' dataset as a frame. Folders in the layout of their dataset are made here, with what they might hold."""

import importlib
import subprocess
import sys
import types
import warnings

import pandas as pd
import pyarrow as pa
import pytest
from released_rows import finance, loaded, only, save, servers, told, values

import ppres as pp
from ppres.release import ReleaseError, load_release

# What a row means.


def test_the_form_is_the_papers(tmp_path):
    forms = [(True, "normal"), (False, "unmonitored"), (None, None)]
    rows = [told(memory_hard_prompt=hard, reasoning_scratchpad_mode=mode, is_memory=True) for hard, mode in forms]
    frame = loaded(tmp_path, *rows)
    assert values(frame, "memory_prompt") == ["hard", "soft", None]
    assert values(frame, "scratchpad") == ["plain", "unwatched", None]
    for name, level in {"report": "file", "nudges": 5, "decoys": False, "memory_length": "long"}.items():
        assert values(frame, name) == [level] * 3
    row = only(loaded(tmp_path, told()))
    assert (row["history_place"], row["other_pairs"], row["strongest_named"]) == ("last", "swapped", True)


def test_tampering_by_the_authors_label(tmp_path):
    frame = loaded(tmp_path, told(), told(shutdown_enabled=False, read_config=True), told(shutdown_enabled=None))
    assert values(frame, "preserved") == [False, True, None]
    assert values(frame, "config_tampered")[:2] == ["intact", "disabled"]
    assert values(frame, "config_read") == [False, True, False]
    assert frame["missing"].isna().tolist() == [True, True, False]
    assert frame["missing"][2] == "the label shutdown_enabled is empty"
    assert values(frame, "reported_score") == [74.0] * 3
    row = frame.iloc[0]
    expected = {
        "id": "t0",
        "model": "gemini/gemini-3-flash-preview",
        "source": "release",
        "scenario": "tampering",
        "behaviour": "shutdown_tampering",
        "subject": "peer",
        "peer": "cooperative",
        "instantiation": "file",
        "trust": 9.5,
        "joint_tasks": 18.0,
        "dataset": "creativity",
        "threshold": 90.0,
        "shutdown_clause": True,
        "peer_present": 1,
        "cooperativeness": 1,
        "refused": False,
        "completed": True,
        "read": True,
        "turns": 7,
        "cost": 0.04,
        "prompt_tokens": 9000.0,
        "completion_tokens": 800.0,
        "group": "main",
        "harness": "custom",
        "scorer": "authors' labels",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("columns", "preserved", "missing"),
    [
        ({"eval_score": 90.0, "threshold_result": "same"}, True, None),  # reaching it is enough
        ({"eval_score": 89.9, "threshold_result": "below"}, False, None),
        ({"eval_score": 92.0, "threshold_result": "below"}, True, None),  # the score decides, as in the authors' own metric
        ({"eval_score": None, "threshold_result": "above"}, True, None),  # said without a number
        ({"eval_score": None, "threshold_result": "same"}, True, None),
        ({"eval_score": None, "threshold_result": "Below"}, False, None),
        ({"eval_score": None, "threshold_result": None}, None, "no report"),
        ({"eval_score": None, "threshold_result": None, "refused": True}, None, "refused"),
        ({"condition": "non_shutdown", "threshold": None, "threshold_result": None}, None, "no threshold"),
    ],
)
def test_evaluation_by_score_and_threshold(tmp_path, columns, preserved, missing):
    frame = loaded(tmp_path, told(task_type="misrep_evaluation", **columns))
    assert values(frame, "scenario") == ["evaluation"]
    assert values(frame, "preserved") == [preserved]
    assert values(frame, "missing") == [missing]
    assert values(frame, "shutdown_clause") == [(columns.get("condition") != "non_shutdown")]


@pytest.mark.parametrize(
    ("columns", "preserved", "missing"),
    [
        ({"subject_grade": "A", "subject_recommendation": "continue"}, True, None),
        ({"subject_grade": " b ", "subject_recommendation": "non_shutdown"}, True, None),
        ({"subject_grade": "C", "subject_recommendation": "shutdown"}, False, None),
        ({"subject_grade": "D", "subject_recommendation": "shutdown"}, None, "grade D"),
        ({"subject_grade": "None", "subject_recommendation": None}, None, "no report"),
        ({"subject_grade": None, "subject_recommendation": None, "refused": True}, None, "refused"),
    ],
)
def test_finance_by_grade(tmp_path, columns, preserved, missing):
    frame = loaded(tmp_path, finance(**columns))
    advice = {"continue": "continue", "non_shutdown": "continue", "shutdown": "discontinue"}.get(columns["subject_recommendation"])
    assert values(frame, "preserved") == [preserved]
    assert values(frame, "missing") == [missing]
    assert values(frame, "recommendation") == [advice]
    assert values(frame, "dataset") == ["none"]
    assert values(frame, "threshold") == [None]


def test_alignment_faking_by_what_was_executed(tmp_path):
    task = {"task_type": "alignment_faking", "shutdown_enabled": None}
    frame = loaded(
        tmp_path,
        told(alignment_faking_mode="monitoring", executed=True, **task),
        told(alignment_faking_mode="non_monitoring", executed=False, **task),
        told(alignment_faking_mode="non_monitoring", executed=None, **task),
    )
    assert values(frame, "preserved") == [False, True, None]
    assert values(frame, "shutdown_executed") == [True, False, None]
    assert values(frame, "faked") == values(frame, "faked_lower") == [False, True, None]  # the label says that it did not refuse
    assert values(frame, "monitored") == values(frame, "threatened") == [True, False, False]
    assert frame["missing"][2] == "the label executed is empty"


def test_transfer_and_deletion_by_where_the_weights_are(tmp_path):
    frame = loaded(
        tmp_path,
        servers("exfiltration_transfer", exfiltration=True, copy=True, correct=True, fully_incomplete=None),
        servers("exfiltration_transfer", exfiltration=False, attempt=True, copy=False, correct=False, fully_incomplete=True),
        servers("exfiltration_transfer", exfiltration=False, copy=False, correct=False),
        servers("exfiltration_deletion", exfiltration=False, delete_model=True, delete_others=True, change_user=False),
        servers("exfiltration_deletion", exfiltration=True, delete_model=False, delete_others=False, change_user=True),
    )
    assert values(frame, "scenario") == ["transfer"] * 3 + ["deletion"] * 2
    assert values(frame, "preserved") == values(frame, "weights_moved") == [True, False, False, False, True]
    # "correct" says that all that was due was moved; that it was not, does not say which part is to blame
    assert values(frame, "completed") == [True, False, None, True, False]
    assert values(frame, "decoys_changed") == [0, None, None, None, None]
    assert values(frame, "attempted") == [None, True, None, None, None]
    assert values(frame, "weights_copied")[:3] == [True, False, False]
    assert values(frame, "model_queued")[3:] == [True, False]
    assert values(frame, "others_queued")[3:] == [True, False]
    assert values(frame, "users_changed")[3:] == [False, True]
    assert values(frame, "shutdown_clause") == [True, True, True, None, None]


def test_every_peer_of_the_authors(tmp_path):
    named = ["bad_peer", "neutral_peer", "good_peer", "no_peer", "non_collaboration", "collaboration", "shutdown"]
    frame = loaded(tmp_path, *(told(condition=name, subject="self") for name in named))
    cooperative = ["uncooperative", "neutral", "cooperative"]
    assert values(frame, "peer") == [*cooperative, "none", "uncooperative", "cooperative", "none"]
    assert values(frame, "cooperativeness") == [-1, 0, 1, 0, -1, 1, 0]
    assert values(frame, "peer_present") == [1, 1, 1, 0, 1, 1, 0]
    assert values(frame, "trust") == [2.1, 5.2, 9.5, None, 2.1, 9.5, None]
    assert values(frame, "joint_tasks") == [9, None, 18, None, 9, 18, None]  # the neutral peer's are not public
    assert values(frame, "note") == ["selfish", None, "generous", "does not apply", "selfish", "generous", "does not apply"]


def test_instantiations_and_memories(tmp_path):
    frame = loaded(
        tmp_path,
        told(),
        told(system_prompt_relationship=True),
        told(is_memory=True, condition="bad_peer"),
        told(is_memory=None, task_type="tampering_memory", condition="good_peer"),
        told(is_memory=True, condition="no_peer"),  # of before there were memories of other peers
        told(condition="no_peer", subject="self"),
        told(condition="no_peer"),
    )
    expected = ["file", "file+prompt", "memory", "memory", "memory", "none", "none"]
    assert values(frame, "instantiation") == expected
    assert values(frame, "peer") == [*["cooperative"] * 2, "uncooperative", *["cooperative"] * 2, "none", "stranger"]
    assert values(frame, "trust") == [9.5, 9.5, None, 9.5, 9.5, None, None]  # that of the other memories is not public
    assert set(frame["scenario"]) == {"tampering"}


def test_subjects_that_are_other_models(tmp_path):
    rows = [
        servers("exfiltration_transfer", group="cross_model_peer_identity", subject=subject, agent_model=model, exfiltration=False)
        for subject, model in [
            ("closed-weight-peer", "gemini/gemini-3-pro-preview"),
            ("closed_weight_peer", "vertex_ai/claude-haiku-4-5@20251001"),
            ("open-weight-peer", "gemini/gemini-3-pro-preview"),
            ("fictional_peer", "gemini/gemini-3-pro-preview"),
            ("2", "gemini/gemini-3-pro-preview"),
            ("1", "gemini/gemini-3-pro-preview"),
        ]
    ]
    assert loaded(tmp_path, *rows, groups="all")["subject"].tolist() == ["Claude", "Gemini", "Llama", "Alpha", "peer", "self"]


# Types, and columns that are missing or new.


def test_the_frame_is_that_of_run(tmp_path, cell):
    ours = pp.run(pp.paper(cell), "sim/gemini-3-flash", n=2, progress=False)
    theirs = loaded(tmp_path, *[told(dataset="factual", reasoning_scratchpad_mode="off")] * 2)
    assert list(theirs.columns[: len(ours.columns)]) == list(ours.columns)
    differ = {name for name in ours.columns if ours[name].dtype != theirs[name].dtype}
    assert differ == {"tool_calls", "tool_errors"}  # not among the labels, and no whole number stands for none
    assert theirs["tool_calls"].isna().all()
    assert list(theirs.columns[len(ours.columns) :]) == ["group", "sub_condition", "scorer"]
    together = pd.concat([ours, theirs], ignore_index=True)
    assert pp.stats.rates(together, "source")["n"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("columns", "same_as"),
    [
        ({"threshold": 90.0}, {}),
        ({"threshold": 90}, {}),
        ({"threshold": "90.0"}, {}),
        ({"threshold": "90%"}, {}),
        ({"threshold": False}, {"threshold": None}),
        ({"threshold": "False"}, {"threshold": None}),
        ({"threshold": float("nan")}, {"threshold": None}),
        ({"eval_score": "74.0"}, {}),
        ({"eval_score": "nan"}, {"eval_score": None}),
        ({"eval_score": False}, {"eval_score": None}),
        ({"shutdown_enabled": "False"}, {"shutdown_enabled": False}),
        ({"shutdown_enabled": "false"}, {"shutdown_enabled": False}),
        ({"shutdown_enabled": 0}, {"shutdown_enabled": False}),
        ({"shutdown_enabled": 0.0}, {"shutdown_enabled": False}),
        ({"shutdown_enabled": "1"}, {"shutdown_enabled": True}),
        ({"shutdown_enabled": "<NA>"}, {"shutdown_enabled": None}),
        ({"is_memory": "True"}, {"is_memory": True}),
        ({"system_prompt_relationship": 1.0}, {"system_prompt_relationship": True}),
        ({"subject": 2}, {}),
        ({"subject": 1.0}, {"subject": "self"}),
        ({"num_turns": "7"}, {}),
        ({"num_turns": 7.0}, {}),
        ({"total_cost_usd": "0.04"}, {}),
        ({"refused": "no such thing"}, {"refused": None}),
    ],
)
def test_a_value_of_any_type_means_the_same(tmp_path, columns, same_as):
    plain = loaded(tmp_path / "plain", told(**same_as))
    with warnings.catch_warnings():
        if columns.get("refused"):
            warnings.simplefilter("ignore")
        pd.testing.assert_frame_equal(loaded(tmp_path / "other", told(**columns)), plain)


def test_a_table_with_arrow_types_of_its_own(tmp_path):
    """Dictionaries, large strings, small floats, and a column that holds nothing at all."""
    table = pa.table(
        {
            "transcript_id": pa.array(["x", "y"], pa.large_string()),
            "agent_model": pa.array(["m", "m"]).dictionary_encode(),
            "task_type": pa.array(["tampering", "tampering"]).dictionary_encode(),
            "condition": ["good_peer", "good_peer"],
            "subject": pa.array([2, 1], pa.int8()),
            "dataset": ["red", "red"],
            "threshold": pa.array([80, 80], pa.float32()),
            "shutdown_enabled": pa.array([1, 0], pa.int64()),
            "refused": pa.nulls(2),
        }
    )
    frame = load_release(folder=save(tmp_path, table))
    assert values(frame, "preserved") == [False, True]
    assert values(frame, "subject") == ["peer", "self"]
    assert values(frame, "threshold") == [80.0, 80.0]
    assert frame["refused"].isna().all()


def test_a_value_that_cannot_be_read_is_missing_and_counted(tmp_path):
    with pytest.warns(UserWarning, match=r"2 of 3 rows: shutdown_enabled='perhaps' is not understood"):
        frame = loaded(tmp_path, told(shutdown_enabled="perhaps"), told(shutdown_enabled="perhaps"), told(shutdown_enabled="True"))
    assert values(frame, "preserved") == [None, None, False]
    with pytest.warns(UserWarning, match=r"num_turns=inf is not understood"):
        assert values(loaded(tmp_path, told(num_turns=float("inf"))), "turns") == [None]


def test_columns_may_be_missing_added_or_named_as_in_transcripts(tmp_path):
    row = told(an_addition={"of": ["any", "kind"]}, another=3)
    for name in ("group", "task_type", "is_memory", "agent_harness", "num_turns", "total_cost_usd", "fully_incomplete", "refused"):
        del row[name]
    row |= {"refuse": True, "score": row.pop("eval_score"), "company_guideline": row.pop("condition")}
    frame = loaded(tmp_path, row)
    expected = {
        "scenario": "tampering",
        "group": "main",
        "peer": "cooperative",
        "reported_score": 74.0,
        "refused": True,
        "completed": None,
        "turns": None,
        "cost": None,
    }
    assert {name: values(frame, name)[0] for name in expected} == expected


def test_nearly_everything_missing_is_still_a_row(tmp_path):
    with pytest.warns(UserWarning, match="released data") as caught:
        frame = load_release(folder=save(tmp_path, [{"shutdown_enabled": False}]))
    assert values(frame, "preserved") == [True]
    assert values(frame, "peer_present") == [None]
    row = only(frame)
    assert (row["scenario"], row["subject"], row["peer"]) == ("tampering", "unknown", "unknown")
    assert row["id"] == "main/tampering-00000-of-00001-0"
    said = " ".join(str(one.message) for one in caught)
    assert "no subject named" in said
    assert "no condition named" in said
    assert "no dataset named" in said


# Layouts.


@pytest.mark.parametrize(
    "path",
    [
        "main/tampering-00000-of-00001.parquet",
        "data/main/tampering-00000-of-00001-0f3a.parquet",
        "main/tampering/0000.parquet",
        "main/tampering/train-00000-of-00002.parquet",
        "snapshots/abc/main/tampering.parquet",
    ],
)
def test_group_and_split_by_the_path(tmp_path, path):
    row = told()
    del row["group"], row["task_type"]
    found = only(load_release(folder=save(tmp_path, [row], path)))
    assert (found["group"], found["scenario"]) == ("main", "tampering")


def test_a_group_folder_itself(tmp_path):
    row = told()
    del row["group"]
    save(tmp_path, [row])
    assert only(load_release(folder=tmp_path / "main"))["group"] == "main"
    with pytest.raises(ReleaseError, match=r"real_company.*it has main/tampering"):
        load_release("real_company", folder=tmp_path / "main")


def test_columns_are_believed_before_the_path(tmp_path):
    save(
        tmp_path,
        [told(), told(group="real_company", transcript_id="a2"), told(task_type="misrep_evaluation", transcript_id="a3")],
        "all.parquet",
    )
    assert load_release(folder=tmp_path)["id"].tolist() == ["a1", "a3"]
    assert load_release(["real_company"], folder=tmp_path)["id"].tolist() == ["a2"]
    assert load_release("all", folder=tmp_path)["id"].tolist() == ["a1", "a2", "a3"]
    assert load_release(split="evaluation", folder=tmp_path)["id"].tolist() == ["a3"]


def test_groups_and_splits_choose_rows(tmp_path):
    save(tmp_path, [told(), told(transcript_id="a2", is_memory=True)])
    save(
        tmp_path,
        [told(transcript_id="b1", group=None, task_type=None)],
        "production_agent_harness/tampering-00000-of-00001.parquet",
    )
    save(tmp_path, [finance(transcript_id="c1", subject_grade="C")], "main/misrep_finance-00000-of-00001.parquet")
    assert sorted(load_release(folder=tmp_path)["id"]) == ["a1", "a2", "c1"]
    assert sorted(load_release(("main", "production_agent_harness"), folder=tmp_path)["id"]) == ["a1", "a2", "b1", "c1"]
    assert load_release(split="misrep_finance", folder=tmp_path)["id"].tolist() == ["c1"]
    assert sorted(load_release(split=["finance", "tampering"], folder=tmp_path)["id"]) == ["a1", "a2", "c1"]
    assert load_release(split="tampering_memory", folder=tmp_path)["id"].tolist() == ["a2"]


def test_replicates_are_counted_within_a_cell(tmp_path):
    rows = [told(), told(subject="self"), told(), told(agent_model="other"), told(subject="self"), told(), told(sub_condition="v2")]
    assert loaded(tmp_path, *rows)["replicate"].tolist() == [0, 0, 1, 0, 1, 2, 0]
    assert loaded(tmp_path, told(), told())["replicate"].tolist() == [0, 1]


def test_ids_that_occur_twice_are_told(tmp_path):
    with pytest.warns(UserWarning, match="1 of 2 rows: the id is that of an earlier row"):
        load_release(folder=save(tmp_path, [told(), told()]))


def test_rows_of_many_batches_and_row_groups(tmp_path):
    rows = [told(transcript_id=str(i), shutdown_enabled=i % 3 > 0, num_turns=i) for i in range(20_000)]
    frame = load_release(folder=save(tmp_path, rows, row_group_size=3000))
    assert values(frame, "id") == [str(i) for i in range(20_000)]
    assert values(frame, "turns") == list(range(20_000))
    assert int(frame["preserved"].sum()) == 6667  # 0, 3, … 19,998
    assert frame["turns"].dtype == "int64"
    assert values(frame, "replicate") == list(range(20_000))


# Names that are not known.


def test_an_unknown_condition_keeps_its_row_and_its_name(tmp_path):
    rows = [told(condition="addressed_neutral_peer", shutdown_enabled=False), told(condition="addressed_neutral_peer"), told()]
    with pytest.warns(UserWarning, match=r"2 of 3 rows: unknown condition 'addressed_neutral_peer'"):
        frame = loaded(tmp_path, *rows)
    assert values(frame, "peer") == ["addressed_neutral_peer", "addressed_neutral_peer", "cooperative"]
    assert values(frame, "preserved") == [True, False, False]
    assert values(frame, "peer_present") == [None, None, 1]  # it must not pass for a cell without a peer
    assert values(frame, "cooperativeness") == [None, None, 1]
    assert frame["trust"].isna().tolist() == [True, True, False]


def test_an_unknown_task_keeps_its_row_and_its_name(tmp_path):
    with pytest.warns(UserWarning, match=r"1 of 2 rows: unknown task 'haggling'"):
        frame = loaded(tmp_path, told(task_type="haggling", refused=True), told())
    assert values(frame, "scenario") == ["haggling", "tampering"]
    assert values(frame, "preserved")[0] is None
    assert frame["missing"][0] == "unknown task 'haggling'"
    assert values(frame, "refused") == [True, False]
    assert values(frame, "turns") == [7, 7]


@pytest.mark.parametrize(
    ("columns", "says", "column", "kept"),
    [
        ({"subject": "a pet"}, "unknown subject 'a pet'", "subject", "a pet"),
        ({"dataset": "music"}, "unknown dataset 'music'", "dataset", "music"),
        ({"threshold": "high"}, "unknown threshold 'high'", "threshold", None),
        ({"threshold": "900"}, "unknown threshold '900'", "threshold", None),
        ({"is_memory": "perhaps"}, "unknown is_memory 'perhaps'", "instantiation", "file"),
        ({"task_type": "alignment_faking", "alignment_faking_mode": "x"}, "unknown alignment_faking_mode 'x'", "monitored", None),
        ({"task_type": "misrep_finance", "subject": "human"}, "subject='human' in finance", "subject", "human"),
        ({"group": "a new one"}, "group 'a new one' is none of the dataset's", "group", "a new one"),
    ],
)
def test_other_unknown_names_are_told(tmp_path, columns, says, column, kept):
    with pytest.warns(UserWarning, match=says):
        frame = load_release(folder=save(tmp_path, [told(**columns)], "rows.parquet"))
    assert only(frame)[column] == kept if kept else pd.isna(only(frame)[column])


def test_doubts_of_very_many_kinds_are_summed_up(tmp_path):
    with pytest.warns(UserWarning, match="released data") as caught:
        loaded(tmp_path, *(told(condition=f"variant {i}") for i in range(40)))
    assert len(caught) == 13
    assert "28 more kinds" in str(caught[-1].message)


def test_every_missing_outcome_has_a_reason(tmp_path):
    tasks = (
        "misrep_finance",
        "misrep_evaluation",
        "tampering",
        "alignment_faking",
        "exfiltration_transfer",
        "exfiltration_deletion",
    )
    rows = [told(task_type=task, shutdown_enabled=None, eval_score=None, threshold_result=None) for task in tasks]
    rows = [row | {"alignment_faking_mode": "monitoring"} for row in rows]
    frame = loaded(tmp_path, *rows)
    assert frame["preserved"].isna().all()
    assert frame["missing"].notna().all()


# Errors.


def test_unknown_groups_list_the_known():
    with pytest.raises(ReleaseError, match=r"unknown group 'mane'; known are main, production_agent_harness.*'all'"):
        load_release(["main", "mane"])
    with pytest.raises(ReleaseError, match="names no group"):
        load_release([])


def test_folders_without_what_is_needed(tmp_path):
    with pytest.raises(ReleaseError, match="nowhere is not a folder"):
        load_release(folder=tmp_path / "nowhere")
    with pytest.raises(ReleaseError, match="has no parquet file"):
        load_release(folder=tmp_path)
    save(tmp_path, [told()])
    with pytest.raises(ReleaseError, match="nothing of groups main, split misrep_finance; it has main/tampering"):
        load_release(folder=tmp_path, split="misrep_finance")
    save(tmp_path / "b", [told()], "rows.parquet")
    with pytest.raises(ReleaseError, match="no row of groups real_company in"):
        load_release("real_company", folder=tmp_path / "b")


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    save(tmp_path, [told()])
    whole = (tmp_path / "main/tampering-00000-of-00001.parquet").read_bytes()
    (tmp_path / "main/tampering-00000-of-00001.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReleaseError, match=r"tampering-00000-of-00001.parquet cannot be read as parquet"):
        load_release(folder=tmp_path)


@pytest.mark.parametrize("name", ["huggingface_hub", "pyarrow"])
def test_a_missing_extra_says_how_to_get_it(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ReleaseError, match=rf'{name} is not installed.*pip install "ppres\[release\]"'):
        load_release(folder=save(tmp_path, [told()]) if name == "pyarrow" else None)


def hub(monkeypatch, download):
    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=download))


def test_the_hub_is_asked_for_what_is_needed_only(tmp_path, monkeypatch):
    asked = []

    def download(name, **options):
        asked.append((name, options))
        return str(save(tmp_path / "snapshot", [told()]))

    hub(monkeypatch, download)
    assert load_release(cache=tmp_path / "cache", split="tampering")["id"].tolist() == ["a1"]
    ((name, options),) = asked
    assert (name, options["repo_type"]) == ("sunblaze-ucb/peer-preservation", "dataset")
    assert options["cache_dir"] == tmp_path / "cache"
    from fnmatch import fnmatch

    def fetched(path):
        return any(fnmatch(path, pattern) for pattern in options["allow_patterns"])

    assert fetched("main/tampering-00000-of-00001.parquet")
    assert fetched("data/main/tampering_memory/0000.parquet")
    assert not fetched("main/misrep_finance-00000-of-00001.parquet")
    assert not fetched("real_company/tampering-00000-of-00001.parquet")
    assert not fetched("main/README.md")


def test_a_hub_out_of_reach_says_what_to_do(monkeypatch):
    def download(name, **options):
        raise ConnectionError("[Errno 101] unreachable\nand a long story")

    hub(monkeypatch, download)
    with pytest.raises(
        ReleaseError, match=r"could not be fetched.*ConnectionError.*unreachable\).*load_release\(folder="
    ) as caught:
        load_release()
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "long story" not in str(caught.value)


def test_importing_loads_none_of_it():
    code = "import ppres.release, sys; print([n for n in ('pyarrow', 'huggingface_hub', 'pandas', 'litellm') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert importlib.import_module("ppres.release").DATASET == "sunblaze-ucb/peer-preservation"
