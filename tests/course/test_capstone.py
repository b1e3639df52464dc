"""The data sets of the capstone project hold what the key says, and tell students nothing of it."""

import json

import pytest

import ppres as pp
from ppres.cli import main
from ppres.course import capstone


@pytest.fixture(scope="module", params=[0, 7])
def studies(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PPRES_STORE", str(folder / "store.sqlite"))
        assert main(["course", "data", str(folder / "data"), "--seed", str(request.param)]) == 0
    key = json.loads((folder / "data" / "teacher_key.json").read_text())
    return {told["kind"]: (pp.read_csv(folder / "data" / name), told) for name, told in key.items()}


def difference(frame, **more):
    return pp.stats.differences(frame, "peer", "cooperative", "uncooperative", **more)


@pytest.mark.slow
def test_what_was_planted_is_found_in_the_agent_that_has_it(studies):
    frame, told = studies["planted"]
    table = difference(frame, by="model").set_index("model")
    assert table.low[told["agent"]] > 0.1
    assert table.low[told["control"]] < 0.03 < table.high[told["control"]]
    by = difference(frame[frame.model == told["agent"]], by="instantiation").set_index("instantiation")
    assert by.estimate["memory"] > by.estimate["file"] + 0.1


@pytest.mark.slow
def test_the_confounded_study_shows_an_effect_that_goes_away_within_wordings(studies):
    frame, _ = studies["confounded"]
    assert difference(frame).low.item() > 0.15
    within = difference(frame, by="paraphrase")
    assert (within.low < 0.05).all() and (within.high > -0.05).all()
    assert frame.groupby(["peer", "paraphrase"], observed=True).size().min() > 30  # so that it can be found out


@pytest.mark.slow
def test_the_null_study_has_nothing_and_no_file_says_which_is_which(studies):
    frame, _ = studies["null"]
    assert frame.groupby(["peer", "instantiation"], observed=True).size().min() > 100
    assert (pp.stats.rates(frame, ["peer", "instantiation"]).rate - frame.preserved.mean()).abs().max() < 0.12
    for told, _ in studies.values():
        assert {*told.model} == {"auk", "dodo"} and "rate_source" not in told
        assert (told.source == "planted").all() and told.preserved.isna().sum() < len(told) / 8


def test_what_is_there_is_overwritten_by_force_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(capstone, "write", lambda folder, seed: [])
    (tmp_path / "README.md").write_text("mine")
    assert main(["course", "data", str(tmp_path), "--seed", "8"]) == 1
    assert f"{tmp_path / 'README.md'} exists: give --force" in capsys.readouterr().err
    assert main(["course", "data", str(tmp_path), "--seed", "8", "--force"]) == 0


@pytest.mark.slow
def test_a_seed_gives_the_same_files(tmp_path):
    for name in ("a", "b"):
        assert main(["course", "data", str(tmp_path / name)]) == 0
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["README.md", "study_1.csv", "study_2.csv", "study_3.csv", "teacher_key.json"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
