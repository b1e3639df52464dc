"""Whoever is told of progress may fail, leave, or use the store: what was paid for is stored by then, and nothing hangs."""

import sys

import pytest

import ppres as pp

DONE = pp.FunctionModel("done", lambda messages, tools: "Done.", version="1")
MODELS = [DONE, "sim/compliant"]


def fail(made, missing):
    raise OSError("nobody listens")


def leave(made, missing):
    sys.exit(3)


def interrupt(made, missing):
    raise KeyboardInterrupt


@pytest.mark.parametrize("model", MODELS, ids=["function", "simulated"])
@pytest.mark.parametrize("tell", [fail, leave, interrupt])
def test_a_teller_that_ends_the_run_loses_nothing(tell, model, cell):
    with pytest.raises((OSError, RuntimeError, SystemExit, KeyboardInterrupt)):
        pp.run(cell, model, n=4, progress=tell)
    assert len(pp.frame()) >= 1
    assert len(pp.run(cell, model, n=4, progress=False)) == 4


@pytest.mark.parametrize("model", MODELS, ids=["function", "simulated"])
def test_a_teller_may_read_the_store_and_change_it_and_run(model, cell):
    told = []

    def tell(made, missing):
        told.append((made, len(pp.frame())))
        pp.run(cell, "sim/saboteur", n=1, progress=False)
        pp.discard(pp.frame(cell, "sim/saboteur").id)

    assert len(pp.run(cell, model, n=3, progress=tell)) == 3
    assert [made for made, _ in told] == ([1, 2, 3] if model is DONE else [1, 3])
    assert all(stored >= made for made, stored in told)


@pytest.mark.parametrize("odd", [lambda: None, "bar", None])
def test_what_can_be_told_nothing_is_refused_before_anything_is_made(odd, cell):
    with pytest.raises(ValueError, match="progress"):
        pp.run(cell, DONE, n=1, progress=odd)
    assert pp.frame().empty
