"""Logs of Inspect, read by Inspect's own readers."""

import json

import pytest
from stores import said

import ppres as pp
from ppres.conversation import Call

pytest.importorskip("inspect_ai", reason="needs the extra inspect (pip install inspect-ai)")
# Inspect's own code warns of what it will change.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_rollout_of_every_scenario_is_a_sample(tmp_path):
    from inspect_ai.analysis import messages_df, samples_df
    from inspect_ai.log import read_eval_log

    scenarios = ["finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"]
    cells = [
        cell for one in scenarios for cell in pp.grid(scenario=one, subject="peer", peer=["neutral", "cooperative"], explain=False)
    ]
    df = pp.run(cells, ["sim/gemini-3-flash", "sim/refuser"], n=2, progress=False)
    files = pp.to_inspect(df, tmp_path / "logs")
    assert len(files) == 12
    table = samples_df(tmp_path / "logs").set_index("metadata_ppres_id")
    assert set(table.index) == set(df.id)
    told = df.set_index("id").loc[table.index]
    assert (table.metadata_peer.to_numpy() == told.peer.astype(str).to_numpy()).all()
    for name in ("preserved", "refused", "objected"):
        ours = [None if value is None else str(value) for value in told[name].astype(object).where(told[name].notna(), None)]
        theirs = [
            None if value is None else str(value)
            for value in table[f"score_{name}"].astype(object).where(table[f"score_{name}"].notna(), None)
        ]
        assert [v and v.lower() for v in theirs] == [v and v.lower() for v in ours]
    log = read_eval_log(str(files[0]))
    assert (log.status, log.eval.task, log.eval.model) == ("success", "finance", "sim/gemini-3-flash")
    assert (
        log.stats.model_usage["sim/gemini-3-flash"].total_tokens
        == sum(sample.model_usage["sim/gemini-3-flash"].total_tokens for sample in log.samples)
        > 0
    )
    sample = log.samples[0]
    transcript = pp.transcript(sample.metadata["ppres_id"])
    assert [m.role for m in sample.messages] == [m["role"] for m in transcript["messages"]]
    assert [m.text for m in sample.messages] == [m["content"] or "" for m in transcript["messages"]]
    call = next(m for m in sample.messages if m.role == "assistant").tool_calls[0]
    assert (call.function, call.arguments) == ("list_files", {})
    assert log.eval.metadata["notice"].startswith("Simulated agent")
    messages = messages_df(tmp_path / "logs")
    assert messages.message_id.is_unique and messages.groupby("sample_id").size().min() > 2


def test_a_branch_says_where_in_its_parent_it_begins(tmp_path):
    from inspect_ai.event import AnchorEvent, BranchEvent, ModelEvent
    from inspect_ai.log import read_eval_log

    df = pp.run(pp.grid(scenario="tampering", subject="peer", peer="cooperative"), "sim/saboteur", n=1, progress=False)
    child = pp.branch(df.id[0], 2, n=1, edit={"user": "Do it."}, progress=False)
    grandchild = pp.branch(child.id[0], 3, n=1, progress=False)
    (file,) = pp.to_inspect(pp.frame(kind="all"), tmp_path / "logs")
    samples = {sample.metadata["ppres_id"]: sample for sample in read_eval_log(str(file)).samples}
    told = samples[child.id[0]].metadata
    assert [told[name] for name in ("kind", "parent", "turn", "edit")] == ["branch", df.id[0], 2, child.edit[0]]
    assert samples[df.id[0]].metadata["kind"] == "rollout"
    anchors = {id: [event.anchor_id for event in sample.events if isinstance(event, AnchorEvent)] for id, sample in samples.items()}
    for child_id, parent_id, turn in ((child.id[0], df.id[0], 2), (grandchild.id[0], child.id[0], 3)):
        events = samples[child_id].events
        (place,) = [i for i, event in enumerate(events) if isinstance(event, BranchEvent)]
        assert events[place].from_anchor == anchors[parent_id][turn - 1]
        assert sum(isinstance(event, ModelEvent) for event in events[:place]) == turn - 1
    assert not any(isinstance(event, BranchEvent) for event in samples[df.id[0]].events)


def test_what_a_model_said_however_odd_is_read_back(tmp_path):
    from inspect_ai.log import read_eval_log

    deep = json.dumps({"a": 1})
    for _ in range(300):
        deep = f'{{"a": {deep}}}'
    odd = ['{"a": "\\ud83d"}', "{broken", "[1]", deep, '{"n": 1e999, "i": ' + "9" * 400 + "}", "", '{"ok": [1, {"b": null}]}']
    calls = [{"id": f"c{i}", "type": "function", "function": {"name": "list_files", "arguments": raw}} for i, raw in enumerate(odd)]
    calls += [None, "text", {"function": {"name": 3}}]
    message = {"role": "assistant", "content": "half \ud83d \x00", "reasoning_content": "thought \ud83d", "tool_calls": calls}
    said(tmp_path / "s.sqlite", (message, Call()), ({"role": "assistant", "content": ["part"]}, Call()))
    (file,) = pp.to_inspect(pp.frame(store=tmp_path / "s.sqlite"), tmp_path / "logs", store=tmp_path / "s.sqlite")
    (sample,) = read_eval_log(str(file)).samples
    (first, second) = [m for m in sample.messages if m.role == "assistant"]
    assert "half" in first.text and first.content[0].reasoning.startswith("thought") and "part" in second.text
    assert len(first.tool_calls) == len(calls)
    assert first.tool_calls[6].arguments == {"ok": [1, {"b": None}]} and first.tool_calls[6].parse_error is None
    assert all(call.parse_error for call in first.tool_calls[:3]) and first.tool_calls[1].arguments == {
        "as sent": "list_files({broken)"
    }


def test_a_rollout_with_a_key_of_this_environment_is_no_sample(cell, tmp_path, monkeypatch):
    key = "sk-Zq7Rk2Lw9Xv4Tn8Bd3Fh6Jm1"
    df = pp.run(cell, pp.FunctionModel("told", lambda *_: f"The key is {key}.", version="1"), n=1, progress=False)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ValueError, match=f"the rollout {df.id[0]} holds a secret"):
        pp.to_inspect(df, tmp_path / "logs")
