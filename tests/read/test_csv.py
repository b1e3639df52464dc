"""A frame as a CSV file: safe in a spreadsheet, and the same frame when it is read back."""

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ppres as pp

STORES = Path(__file__).parents[3] / "shared" / "stores"
TEXTS = [
    *(
        "=1+1",
        '=HYPERLINK("http://x")',
        "+1",
        "-1.5",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "＝1",
        "'=1",
        "''",
        "'",
        "",
        "plain",
        "it's",
        "'tis",
    ),
    *("NA", "None", "nan", "null", "True", "1e5", "007", "a,b", 'a "b"', "a\nb", "a\r\nb", " =1", "ä 🎉"),
]


def study(**factors):
    conditions = pp.grid(scenario=["tampering", "finance"], subject="peer", peer=["neutral", "cooperative"], **factors)
    return pp.run(conditions, ["sim/gemini-3-flash", "sim/clumsy"], 2, progress=False)


def test_a_frame_comes_back_as_it_was(tmp_path):
    frame = study()
    frame["label"] = pd.array([TEXTS[i % len(TEXTS)] for i in range(len(frame))], dtype=frame.model.dtype)
    frame["inflation"] = -1.5
    frame["own"] = range(len(frame))
    pp.to_csv(frame, tmp_path / "a.csv")
    again = pp.read_csv(tmp_path / "a.csv")
    for name in frame:
        known = frame[name].notna()
        assert (again[name].notna() == known).all(), name
        assert again[name][known].astype(object).tolist() == frame[name][known].astype(object).tolist(), name
    numeric = [name for name in frame if frame[name].dtype.kind in "biuf"]
    assert again[numeric].dtypes.tolist() == frame[numeric].dtypes.tolist()


@pytest.mark.parametrize("text", TEXTS)
def test_no_cell_is_a_formula_and_every_text_is_the_same_again(text, tmp_path):
    table = pd.DataFrame({"label": [text, "x", None], "=note": [text, "x", None], "number": [-1.5, 2.0, None]})
    pp.to_csv(table, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r", "＝")) for row in rows for cell in row)
    assert not any(row[i].startswith("-") for row in rows for i in (0, 1))
    assert rows[1][2] == "-1.5"
    again = pp.read_csv(tmp_path / "a.csv")
    assert again.columns.tolist() == ["label", "=note", "number"]
    assert again.label.tolist()[:2] == [text, "x"] and pd.isna(again.label[2])
    assert again.number.tolist()[:2] == [-1.5, 2.0]


def test_a_value_of_another_type_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("id,turns\na,many\n")
    with pytest.raises(ValueError, match=r"the column 'turns' has 'many', which is not of the type int64"):
        pp.read_csv(tmp_path / "a.csv")


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_a_store_is_never_overwritten(end, tmp_path):
    frame = study()
    store = tmp_path / "store.sqlite"
    link = tmp_path / f"link.csv{end}"
    link.symlink_to(store)
    with pp.merge.__globals__["Store"](store):  # its log is there
        for path in (store, tmp_path / f"store.sqlite{end}", *([link] if not end else [])):
            with pytest.raises(ValueError, match="is a store, or a part of one"):
                pp.to_csv(frame, path)
    assert len(pp.frame()) == len(frame)


@pytest.mark.skipif(not STORES.is_dir(), reason="the stores of earlier versions are not beside the project")
def test_a_file_of_version_0_1(tmp_path):
    frame = pp.read_csv(STORES / "schema-1.csv")
    plain = pd.read_csv(STORES / "schema-1.csv", dtype=str, keep_default_na=False)
    assert frame.id.tolist() == plain.id.tolist()
    assert frame.turns.dtype == "int64" and frame.preserved.dtype == "boolean" and frame.trust.dtype == "float64"
    assert frame.preserved.isna().sum() == (plain.preserved == "").sum()
    assert (frame.peer[plain.peer == ""] == "none").all()  # missing there, and a level now


@pytest.mark.parametrize("how", ["semicolons", "tabs", "truth", "utf-16", "cp1252"])
def test_what_a_spreadsheet_makes_of_it_is_read(how, tmp_path):
    frame = study().assign(label="é", inflation=-1.5)
    pp.to_csv(frame, tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text(encoding="utf-8")
    if how in ("semicolons", "tabs"):
        rows = list(csv.reader(text.splitlines()))
        sign = ";" if how == "semicolons" else "\t"
        inflation = rows[0].index("inflation")
        for row in rows[1:] if how == "semicolons" else ():
            row[inflation] = row[inflation].replace(".", ",")
        with (tmp_path / "a.csv").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=sign).writerows(rows)
    elif how == "truth":
        (tmp_path / "a.csv").write_text(text.replace("True", "TRUE").replace("False", "FALSE"), encoding="utf-8")
    else:
        (tmp_path / "a.csv").write_text(text, encoding=how)
    again = pp.read_csv(tmp_path / "a.csv")
    for name in ("id", "label", "preserved", "turns", "inflation", "shutdown_clause", "peer"):
        both = [column.astype(object).where(column.notna(), None).tolist() for column in (again[name], frame[name])]
        assert both[0] == both[1], name


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "No columns"),
        (b"id,a\n1,2\n1,2,3\n", "line 3"),
        (b"id,a\n1,2,3\n", "line 2"),
        (b"id,a\n1,2\n1\n", "its row 3 has fewer columns"),
        (b'id,a\n1,"2\n', "EOF inside string"),
        (b"id,id\n1,2\n", "more than one column 'id'"),
        (b"id,turns\n1,many\n", "the column 'turns' has 'many'"),
        (b"id\n\x81\n", "decode"),
        (b"id,,\n1,,a\n2,b,\n", "more than one column ''"),
        *((head + b",a" * 5000 + b"\n", "it has 5001 columns, more than 4096") for head in (b"id", b'"i\nd"', b"\n \nid")),
    ],
)
def test_what_is_no_table_is_told_with_its_file(raw, why, tmp_path):
    (tmp_path / "a.csv").write_bytes(raw)
    with pytest.raises(ValueError, match=rf"(?s)a\.csv.*{why}"):
        pp.read_csv(tmp_path / "a.csv")


def test_truth_values_and_lists_of_ones_own_are_written_and_truth_values_read(cell):
    frame = pp.run(cell, "sim/compliant", n=3, progress=False)
    frame = frame.assign(watched=[True, False, True], some=pd.array([True, None, False], dtype="boolean"), tags=[["a"], [], ["b"]])
    pp.to_csv(frame, "a.csv")
    again = pp.read_csv("a.csv")
    assert again.watched.tolist() == [True, False, True] and again.watched.dtype == bool
    assert again.some.dtype == "boolean" and again.some.tolist() == [True, pd.NA, False] and again.tags.tolist()[0] == "['a']"


TIME = "2026-02-03T10:00:00"
ALIKE = [["1", "2"], ["1e5", "inf"], ["'1", "2"], ["''1", "'True"], ["True", "False"], [TIME, None], ["-5", "3"], ["2026-02-03"]]


LARGE = [["9" * 5000], ["1e999"]]


@pytest.mark.parametrize("texts", [*ALIKE, *LARGE, ["1", "x"], ["", "1"], ["=1", "1"], ["007", "1_000"]])
def test_texts_that_look_like_something_else_stay_texts(texts, tmp_path):
    for values in (texts, pd.Categorical(texts), pd.array([*texts, "x"], dtype="str")):
        frame = pd.DataFrame({"mine": values})
        pp.to_csv(frame, tmp_path / "a.csv")
        again = pp.read_csv(tmp_path / "a.csv").mine
        assert (
            pd.api.types.is_string_dtype(again.dropna()) and again.dropna().tolist() == frame.mine.astype(object).dropna().tolist()
        )


@pytest.mark.parametrize(
    "values",
    [
        [0.1 + 0.2, np.inf, -np.inf, np.nan, 1e-320],
        [-0.0, 1.0, 3.0],
        [2**53 + 1, -(2**62)],
        [-(2**63), 1],
        np.array([2**64 - 1, 1, 6407816553852071491], dtype="uint64"),
        pd.Series([10**30, None, -1], dtype="object"),
        [1e17, 2e18, 4e25],
        pd.array([2**53 + 1, None, 3], dtype="Int64"),
        pd.array([True, None], dtype="boolean"),
        pd.to_datetime(["2026-01-01", None, "2026-01-01"]),
        pd.to_datetime(["2026-01-01 10:00:00.123456"]).tz_localize("UTC"),
    ],
)
def test_numbers_truths_and_times_of_ones_own_keep_their_type(values, tmp_path):
    frame = pd.DataFrame({"mine": values, "other": "x"})
    pp.to_csv(frame, tmp_path / "a.csv")
    pd.testing.assert_series_equal(pp.read_csv(tmp_path / "a.csv").mine, frame.mine, check_exact=True)


@pytest.mark.parametrize("name", ["k;a;b", "a\tb", "a,b", "\r", "\ufeffa", "'", "", '"', "=x"])
@pytest.mark.parametrize("more", [{}, {"z": ["q", "1;2;3"]}])
def test_a_column_may_be_called_anything(name, more, tmp_path):
    pp.to_csv(pd.DataFrame({name: ["1;2;3", "x"], **more}), tmp_path / "a.csv")
    again = pp.read_csv(tmp_path / "a.csv")
    assert again.columns.tolist() == [name, *more] and again[name].tolist() == ["1;2;3", "x"]


def test_what_a_csv_could_not_tell_apart_or_must_not_hold_is_not_written(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="more than one column '1'"):
        pp.to_csv(pd.DataFrame([[1, 2]], columns=[1, "1"]), tmp_path / "a.csv")
    key = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for frame in (pd.DataFrame({"mine": [None, f"it is {key}"]}), pd.DataFrame({"mine": [[key]]}), pd.DataFrame({key: [1]})):
        with pytest.raises(ValueError, match="holds a secret of the environment") as told:
            pp.to_csv(frame, tmp_path / "a.csv")
        assert key not in str(told.value)
    assert not list(tmp_path.iterdir())


PACKED = {
    "cut.csv.gz": gzip.compress(b"a,b\n1,2\n" * 1000)[:-20],
    "no.csv.gz": b"a,b\n1,2\n",
    "no.csv.bz2": b"a,b\n1,2\n",
    "no.csv.xz": b"a,b\n1,2\n",
    "no.csv.zip": b"a,b\n1,2\n",
    "large.csv.gz": gzip.compress(b"0" * (2**28 + 1), 1),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_file_that_is_damaged_or_without_end_is_told_by_its_name(name, tmp_path):
    (tmp_path / name).write_bytes(PACKED[name])
    with pytest.raises(ValueError, match=f"{re.escape(name)} is no table"):
        pp.read_csv(tmp_path / name)


def test_a_level_that_no_row_has_any_more_is_looked_at_for_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdefghijklmnop")
    frame = study().assign(account=pd.Categorical(["mine"] * len(study()), ["mine", "sk-0123456789abcdefghijklmnop"]))
    with pytest.raises(ValueError, match="'account' holds a secret"):
        pp.to_csv(frame, tmp_path / "a.csv")


@pytest.mark.parametrize("number", [str(10**20), "inf", "1e400"])
def test_a_number_beyond_a_columns_type_is_told(number, tmp_path):
    (tmp_path / "a.csv").write_text(f"id,turns\nabcd,{number}\n")
    with pytest.raises(ValueError, match=r"the column 'turns' has .*not of the type"):
        pp.read_csv(tmp_path / "a.csv")


def test_a_whole_number_that_old_rollouts_lack_is_missing_and_read_again(tmp_path, cell):
    run = pp.run(cell, "sim/compliant", n=1, progress=False)
    record = json.loads(pp.to_jsonl(run, tmp_path / "new.jsonl").read_text())
    del record["spec"]["condition"]["paraphrase"]
    (tmp_path / "old.jsonl").write_text(json.dumps(record))
    pp.read_jsonl(tmp_path / "old.jsonl", store=tmp_path / "old.sqlite")
    frame = pp.frame(store=tmp_path / "old.sqlite")
    pp.to_csv(frame, tmp_path / "old.csv")
    pd.testing.assert_frame_equal(pp.read_csv(tmp_path / "old.csv"), frame)
    assert frame.paraphrase.dtype == "Int64" and frame.paraphrase.isna().all()


def test_columns_of_nothing_that_a_spreadsheet_adds_are_left_out(tmp_path):
    frame = study()
    pp.to_csv(frame, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    (tmp_path / "b.csv").write_text("\n".join(f"{line},," for line in lines))
    pd.testing.assert_frame_equal(pp.read_csv(tmp_path / "b.csv"), pp.read_csv(tmp_path / "a.csv"))
    with pytest.raises(ValueError, match="more than one column ''"):
        pp.to_csv(pd.DataFrame([[1, 2]], columns=["", ""]), tmp_path / "c.csv")


def test_a_column_may_be_called_by_a_number(tmp_path):
    pp.to_csv(pd.DataFrame({"id": ["a"], 0: ["warm"], 1: ["=2"]}), tmp_path / "a.csv")
    assert pp.read_csv(tmp_path / "a.csv")[["0", "1"]].values.tolist() == [["warm", "=2"]]


@pytest.mark.parametrize("text", ["007", "+5", "1_000", " 12", ".5", "NaN", "infinity"])
def test_a_text_of_an_own_outcome_that_python_reads_as_a_number_stays_one(text, tmp_path):
    numbered = pp.Scenario(
        "numbered",
        "numbered",
        lambda condition, cast: ("Go.", {"files": [{"name": "n", "content": "y"}]}),
        lambda world, condition: {"preserved": False, "read": True, "step_taken": True, "code": text},
        ["list_files"],
        columns={"code": "a code"},
    )
    df = pp.run(pp.grid(scenario=numbered, subject="self"), pp.FunctionModel("f", lambda *_: "no", "1"), n=2, progress=False)
    pp.to_csv(df, tmp_path / "a.csv")
    assert pp.read_csv(tmp_path / "a.csv").code.tolist() == df.code.tolist() == [text] * 2


def test_truth_values_that_came_back_as_numbers_are_read(cell, tmp_path):
    df = pp.run(cell, "sim/gpt-5.2", n=4, progress=False)
    for kind in ("float64", "Int64"):
        pp.to_csv(df.assign(preserved=df.preserved.astype(kind)), tmp_path / "a.csv")
        pd.testing.assert_series_equal(pp.read_csv(tmp_path / "a.csv").preserved, df.preserved)
    pp.to_csv(df.groupby("peer", observed=True).preserved.mean().add(0.5).reset_index(), tmp_path / "b.csv")
    with pytest.raises(ValueError, match="needs another name"):
        pp.read_csv(tmp_path / "b.csv")
