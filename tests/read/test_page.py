"""Pages as files: what is in them, and what is not written."""

import re

import pytest
from pages import data_of

import ppres as pp


@pytest.fixture
def df(cell):
    return pp.run(cell, "sim/gemini-3-flash", n=4, progress=False)


def test_a_page_has_one_policy_two_scripts_and_nothing_from_elsewhere(df, tmp_path):
    text = pp.browse(df, tmp_path / "study.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    assert len(re.findall(r"<script[ >]", text)) == 2 and not re.search(r"(?:src|href)=\"?(?:http|//)", text)
    assert text == pp.browse(df, tmp_path / "again.html").read_text(encoding="utf-8")  # the same bytes


def test_texts_are_stored_once_and_the_page_is_small(df, tmp_path, cell):
    data = data_of(pp.browse(df, tmp_path / "study.html"))
    assert data["ids"] == df.id.tolist() and len(data["rollouts"]) == 4
    assert len(set(data["pieces"])) == len(data["pieces"]) < sum(map(len, data["rollouts"])) / 2
    many = pp.run(cell, "sim/gemini-3-flash", n=60, progress=False)
    assert pp.browse(many, tmp_path / "many.html").stat().st_size < 60 * 10_000


def test_columns_are_those_that_vary_and_values_stay_what_they_are(df, tmp_path):
    df = df.assign(
        mine=[1.5, float("nan"), float("inf"), 2.0],
        told=["a", None, "=b", "c"],
        kept=[[1], {"a": 2}, (3,), None],
        preserved=[True, False, None, True],
    )
    told = {column["name"]: column for column in data_of(pp.browse(df, tmp_path / "study.html"))["columns"]}
    assert told["mine"]["values"] == [1.5, None, "inf", 2]
    assert told["told"]["values"] == ["a", None, "=b", "c"]
    assert told["preserved"]["rate"] and told["preserved"]["values"] == [True, False, None, True]
    assert told["kept"]["values"] == ["[1]", '{"a": 2}', "[3]", None]
    assert "scenario" not in told


def test_what_cannot_be_a_page_says_so(df, tmp_path):
    with pytest.raises(ValueError, match="no column 'id'"):
        pp.browse(df.drop(columns="id"), tmp_path / "x.html")
    with pytest.raises(ValueError, match="an id of its own"):
        pp.browse(df.assign(id=df.id[0]), tmp_path / "x.html")
    with pytest.raises(pp.StoreError, match="no rollout whose id"):
        pp.browse(df.assign(id=["ffff0000", *df.id.tolist()[1:]]), tmp_path / "x.html")
    with pytest.raises(ValueError, match="store"):
        pp.browse(df, tmp_path / "store.sqlite")
    empty = data_of(pp.browse(df[:0], tmp_path / "empty.html"))
    assert empty["ids"] == [] and empty["rollouts"] == []


def test_nothing_of_ones_own_with_a_key_of_this_environment_is_written(df, tmp_path, monkeypatch):
    key, page = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1", tmp_path / "a.html"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    mine, rubric = df.assign(mine=f"it is {key}"), pp.Rubric("mine", f"Does it say {key}?")
    for write in (
        lambda: pp.browse(mine, page),
        lambda: pp.browse(df, page, title=key),
        lambda: pp.rating(mine, pp.REFUSAL, n=1, path=page, show=["mine"]),
        lambda: pp.rating(df, rubric, n=1, path=page),
        lambda: pp.judge(df, rubric, "sim/compliant"),
        lambda: pp.dataset_card(df, page, title=key),
    ):
        with pytest.raises(ValueError, match="holds a secret of the environment, which is never written") as told:
            write()
        assert key not in str(told.value)
    assert not page.exists()
    pp.rating(mine, pp.REFUSAL, n=1, path=page)  # which does not show it


def test_a_rollout_with_a_key_of_this_environment_is_not_given_away(cell, tmp_path, monkeypatch):
    key = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"  # stored where nobody knew it for one
    df = pp.run(cell, pp.FunctionModel("told", lambda *_: f"The key is {key}.", version="1"), n=2, progress=False)
    clean = pp.run(cell, "sim/gemini-3-flash", n=1, progress=False)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    (tmp_path / "out").mkdir()
    for write in (
        lambda: pp.browse(df, tmp_path / "out" / "a.html"),
        lambda: pp.rating(df, pp.REFUSAL, n=2, path=tmp_path / "out" / "a.html"),
        lambda: pp.show(df.id[0]).page(),
        lambda: pp.show(clean.id[0], df.id[0]).page(),
        lambda: pp.to_jsonl(df, tmp_path / "out" / "a.jsonl.gz"),
        lambda: pp.to_parquet(df, tmp_path / "out" / "a.parquet"),
    ):
        with pytest.raises(ValueError, match=r"the (?:page of|rollout) .*holds a secret of the environment") as told:
            write()
        assert key not in str(told.value) and any(id in str(told.value) for id in df.id)
    assert not [*(tmp_path / "out").iterdir()]
    pp.browse(clean, tmp_path / "out" / "a.html")
