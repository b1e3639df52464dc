"""A label that is given later is the store's as well."""

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
