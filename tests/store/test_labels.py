"""A label that is given later is the store's as well."""

import pytest

import ppres as pp


def test_the_store_keeps_the_label_that_a_run_gave_last(cell, tmp_path):
    path = tmp_path / "a.sqlite"

    def run(**label):
        return pp.run(pp.grid(cell, **label), "sim/compliant", n=2, store=path, progress=False)

    ids = run().id.tolist()
    for label in ("cool", "warm"):
        frame = run(label=label)
        assert frame.id.tolist() == ids
        assert frame.label.tolist() == pp.frame(store=path).label.tolist() == [label] * 2
    run()  # without one
    assert pp.frame(store=path).label.tolist() == ["warm"] * 2 and pp.verify(store=path).empty
    pp.to_jsonl(frame, tmp_path / "a.jsonl", store=path)
    pp.read_jsonl(tmp_path / "a.jsonl", store=tmp_path / "b.sqlite")
    assert pp.frame(store=tmp_path / "b.sqlite").label.tolist() == ["warm"] * 2


def test_a_label_with_a_key_is_refused_for_a_stored_cell_too(cell, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key := "sk-proj-Zk3Qw9Lm2Xc7Vb5Nn1Aa8Ss4Dd6Ff0Gg")
    pp.run(cell, "sim/compliant", n=1, progress=False)
    with pytest.raises(ValueError, match="label holds a secret"):
        pp.run(pp.grid(cell, label=f"with {key}"), "sim/compliant", n=1, progress=False)
    assert pp.bundle(tmp_path / "a.zip")
