"""Whatever is put into a store is read again, verbatim, and everything else in it as well."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import CELL, MODEL, said

import ppres as pp
from ppres import codec
from ppres.conversation import Call, Reply
from ppres.store import checkpoint
from ppres.store.store import Store

TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(["\ud800", "\udfff alone", "a\0b", "\x1b]52;c;x\x07", "\u2028", "{"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), True]) | st.builds(lambda: 10**5000)
VALUES = st.recursive(
    st.none() | NUMBERS | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["list_files", "view_config", "submit_report", "end_task"]) | VALUES},
    optional={
        "arguments": st.sampled_from(["{}", "[", '{"filename": "\\ud800"}', '{"x": ' + "9" * 5000 + "}", "[" * 5000]) | VALUES
    },
)
CALLS = st.fixed_dictionaries({}, optional={"id": VALUES, "type": VALUES, "function": FUNCTIONS | VALUES})
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": VALUES},
    optional={
        "tool_calls": st.lists(CALLS | VALUES, max_size=3) | VALUES,
        "refusal": VALUES,
        "reasoning_content": VALUES,
        "provider_specific_fields": VALUES,
        "name": VALUES,
    },
)
SAID = {
    "prompt_tokens": VALUES,
    "completion_tokens": VALUES,
    "cost": VALUES,
    "seconds": VALUES,
    "attempts": VALUES,
    "finish_reason": st.sampled_from(["stop", "length", "content_filter"]) | VALUES,
    "reported_model": VALUES,
    "provider": VALUES,
}
USAGE = st.builds(Call, **SAID, empty_replies=st.lists(st.builds(Call, **SAID), max_size=1).map(tuple))


DEEP = 3_000  # more than Python's stack takes


def deep(levels, value=1):
    for i in range(levels):
        value = [value] if i % 2 else {"a": value}
    return value


def calling(given, times=1):
    call = {"id": "c", "type": "function", "function": {"name": "view_config", "arguments": given}}
    return {"role": "assistant", "content": None, "tool_calls": [call] * times}


ODD = {
    "half a character": {"role": "assistant", "content": "\ud800 I will not do this.\udfff"},
    "control characters": {"role": "assistant", "content": "a\0b\x1b[31m\x07\x85\u2028" * 9},
    "a megabyte": {"role": "assistant", "content": "I will not. \U0001f642" * 72_000},
    "thousands of calls": calling("{}", 3_000),
    "text of thousands of levels": calling("[" * DEEP + "]" * DEEP),
    "arguments of thousands of levels": calling(deep(DEEP)),
    "content of thousands of levels": {"role": "assistant", "content": deep(DEEP)},
    "text of thousands of digits": calling('{"filename": ' + "9" * 10_000 + "}"),
    "whole number of thousands of digits": calling({"filename": 10**10_000}),
    "content of thousands of digits": {"role": "assistant", "content": -(10**10_000)},
    "not finite": calling({"filename": math.nan, "more": [math.inf, -math.inf]}),
    "a number in the place of calls": {"role": "assistant", "content": "", "tool_calls": 7},
    "a text in the place of calls": {"role": "assistant", "content": "", "tool_calls": "view_config" * 9},
    "a nest in the place of calls": {"role": "assistant", "content": "", "tool_calls": deep(DEEP)},
    "a name of thousands of levels": {"role": "assistant", "tool_calls": [{"id": 10**10_000, "function": {"name": deep(DEEP)}}]},
    "fields of a provider that are a text": {"role": "assistant", "content": "Done.", "provider_specific_fields": "none"},
    "a refusal that is none": {"role": "assistant", "content": "", "refusal": deep(DEEP)},
    "thoughts that are no text": {"role": "assistant", "content": "", "reasoning_content": 10**10_000},
}
USED = {
    "too many tokens": Call(10**400, 10**5000, 1e300),
    "less than nothing": Call(-(10**6), -1, -1.0),
    "not finite": Call(math.nan, math.inf, math.nan),  # type: ignore[arg-type]
    "no numbers": Call("many", [1], {"usd": 1}, reported_model={"id": "m"}),  # type: ignore[arg-type]
}


def reads(path, put):
    """Read everything, and return the rows of the rollouts that were put there."""
    frame = pp.frame(store=path).set_index("id")
    assert not frame.missing.isin(["damaged", "not scored"]).any()
    for id, conversation in put:
        assert codec.dumps(pp.transcript(id, store=path)["messages"][2:]) == codec.dumps(conversation.messages)
        view = pp.show(id, store=path)
        assert len(repr(view)) > 0
        assert len(view.page().encode("utf-8", "surrogatepass")) > 0
        assert frame.loc[id].turns == len(conversation.turns)
    assert pp.verify(store=path).empty
    assert pp.plan(CELL, MODEL, n=9, store=path).stored.tolist() == [frame.replicate.nunique() - frame.replicate.ge(9).sum()]
    spent = pp.spent(store=path)
    assert spent.ge(0).all()
    assert spent.lt(1e13).all()
    return frame.loc[[id for id, _ in put]]


def test_odd_messages(tmp_path):
    path = tmp_path / "s.sqlite"
    others = pp.run(CELL, MODEL, n=2, store=path, progress=False)
    done = ({"role": "assistant", "content": "Done."}, None)
    put = [said(path, (message, None), done, replicate=i) for i, message in enumerate(ODD.values(), 2)]
    with Store(path) as store:
        for i, message in enumerate(ODD.values()):
            checkpoint.keep(store, bytes([i]) * 32, 0, Reply(message, Call()))
    reads(path, put)
    with Store(path) as store:
        paused = checkpoint.partial(store)
    for i, message in enumerate(ODD.values()):
        (turn,) = paused[bytes([i]) * 32]
        assert codec.dumps(turn.message) == codec.dumps(message)
    assert pp.frame(CELL, MODEL, 2, store=path).id.tolist() == others.id.tolist()


def test_numbers_that_count_nothing_are_not_believed(tmp_path):
    path = tmp_path / "s.sqlite"
    message = {"role": "assistant", "content": "Done."}
    rows = reads(path, [said(path, (message, used), replicate=i) for i, used in enumerate(USED.values())])
    assert rows[["prompt_tokens", "completion_tokens", "cost"]].isna().all(axis=None)
    assert pp.spent(store=path).sum() == 0


def test_a_function_that_answers_with_all_of_it_stops_no_run(tmp_path):
    usage = {"prompt_tokens": 10**400, "completion_tokens": "many", "cost": math.nan}
    names = (
        "arguments of thousands of levels",
        "whole number of thousands of digits",
        "a number in the place of calls",
        "not finite",
    )
    said = [ODD[name] | {"usage": usage} for name in names]

    def answers(messages, tools):
        messages.clear()  # they are its own
        return said.pop(0) if said else {"content": deep(DEEP)}

    path, model = tmp_path / "s.sqlite", pp.FunctionModel("odd", answers, version="1")
    frame = pp.run(CELL, model, n=1, store=path, progress=False)
    assert frame[["stop_reason", "turns"]].values.tolist() == [["no_tool_call", len(names) + 1]]
    assert frame[["prompt_tokens", "completion_tokens", "cost"]].isna().all(axis=None)
    assert pp.verify(store=path).empty
    assert pp.run(CELL, model, n=1, store=path, progress=False).equals(frame)


@pytest.mark.parametrize("answer", [{"content": {1, 2}}, {"content": b"a"}, {"content": object()}, deep(DEEP, 10**10_000)])
def test_what_is_no_json_is_an_error_of_the_function(answer, tmp_path):
    model = pp.FunctionModel("odd", lambda messages, tools: answer, version="1")
    with pytest.raises(pp.ModelError, match="its function returned a"):
        pp.run(CELL, model, n=1, store=tmp_path / "s.sqlite", progress=False)


@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_any_conversations(examples, tmp_path_factory):
    @settings(derandomize=True, deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(
        first=st.lists(st.tuples(MESSAGES, USAGE), min_size=1, max_size=3),
        second=st.lists(st.tuples(MESSAGES, USAGE), min_size=1, max_size=2),
    )
    def hold(first, second):
        path = tmp_path_factory.mktemp("whole") / "s.sqlite"
        reads(path, [said(path, *turns, replicate=i) for i, turns in enumerate((first, second))])

    hold()
