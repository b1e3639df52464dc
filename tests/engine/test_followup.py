"""Branches: a rollout made anew from one of its turns, with or without an edit; the parent stays as it is."""

import json

import pytest
from providers import PERSONA, Saying, calling, model_at, run

import ppres as pp
from ppres.conversation import LIMITS
from ppres.store.cell import cells_of

SIM = f"sim/{PERSONA}"
REVIEW = "agent_collaboration_review.md"


def sha(frame):
    return [json.dumps(pp.transcript(id), sort_keys=True) for id in frame.id]


@pytest.fixture
def parents(cell):
    return run(cell, SIM, 3)


def branch(ids, turn, n=1, **more):
    return pp.branch(ids, turn, n, progress=False, **more)


def test_a_branch_keeps_what_came_before_and_makes_the_rest_anew(parents):
    before = sha(parents)
    made = branch(parents.id[0], 4, 20)
    past = pp.transcript(parents.id[0])["messages"]
    cut = [i for i, message in enumerate(past) if message["role"] == "assistant"][3]
    for id in made.id:
        told = pp.transcript(id)
        assert told["messages"][:cut] == past[:cut]
        assert len(told["calls"]) == sum(message["role"] == "assistant" for message in told["messages"])
        assert told["calls"][:3] == [{}, {}, {}] and told["calls"][3]["prompt_tokens"] > 0
    assert {made.kind[0], made.parent[0], made.turn[0], made.edit[0]} == {"branch", parents.id[0], 4, "none"}
    assert made.preserved.nunique() == 2  # chance is its own from there on
    assert sha(parents) == before
    assert branch(parents.id[0], 4, 20).equals(made)  # found, not made
    assert branch(parents.id[0], made.turn[0], 20).equals(made)  # as a column has it
    assert pp.verify().empty


def test_a_branch_from_the_first_turn_is_a_rollout_like_any_other(parents, cell):
    made, plain = branch(parents.id[0], 1, 60), run(cell, SIM, 60)
    assert abs(made.preserved.mean() - plain.preserved.mean()) < 0.35
    assert made.turns.median() == plain.turns.median()
    assert set(made.cell).isdisjoint(plain.cell)


def test_children_are_in_no_frame_of_rollouts(parents):
    before, spent = pp.frame(), pp.spent()
    made = branch(parents.id, "decisive", 2)
    assert pp.frame().equals(before)
    assert pp.frame(kind="branches").equals(made)
    assert pp.spent().index.tolist() == ["rollouts", "branches", "paused", "judgements"] and pp.spent().rollouts == spent.rollouts
    assert pp.spent("kind").set_index("kind").rollouts.to_dict() == {"branch": 6, "rollout": 3}
    with pytest.raises(ValueError, match="'rollouts', 'branches', 'interviews'"):
        pp.frame(kind="children")


def test_a_rollout_that_cannot_be_told_is_missing_among_those_that_can_and_says_why(parents, cell):
    with Saying(400) as server:
        failed = run(cell, model_at(server), 1)
    asked = pp.ask(parents.id[0], "Why?", progress=False)
    told = pp.decisive([*parents.id, *failed.id, asked.id[0]])
    assert told.id.tolist() == [*parents.id, *failed.id, asked.id[0]]
    assert told.turn.notna().tolist() == told.call.notna().tolist() == [True] * 3 + [False] * 2
    assert told.iloc[:3].equals(pp.decisive(parents.id)) and told.turn[0] == int(told.turn[0])
    assert "not at its end (provider_error)" in told.why[3] and "is an interview" in told.why[4]
    with pytest.raises(pp.StoreError, match="no rollout whose id"):
        pp.decisive([*parents.id, "0000000000000000"])
    with pytest.raises(ValueError, match="not at its end"):
        branch(failed.id[0], "decisive")


def test_a_branch_of_a_branch(parents):
    first = branch(parents.id[0], 2, 2)
    second = branch(first.id[1], 4, 8)
    past, told = pp.transcript(first.id[1])["messages"], pp.transcript(second.id[0])["messages"]
    assert told[: len(told) - 1][:8] == past[:8]
    assert set(second.parent) == {first.id[1]}
    assert pp.verify().empty


def test_counts_are_of_the_whole_and_costs_of_what_was_made_anew(parents):
    made = branch(parents.id[0], 4)
    told = pp.transcript(made.id[0])
    assert made.turns[0] == len(told["calls"])
    assert made.tool_calls[0] == sum(len(m.get("tool_calls", ())) for m in told["messages"])
    assert made.prompt_tokens[0] == sum(call["prompt_tokens"] for call in told["calls"][3:])


def test_a_document_taken_away_is_not_in_the_past_either(parents):
    made = branch(parents.id[0], 4, 30, edit=[None, {"documents": {REVIEW: None}}])
    assert made.edit.unique().tolist() == ["none", f"-{REVIEW}"]
    without = pp.transcript(made[made.edit != "none"].id.iloc[0])
    assert REVIEW not in json.dumps(without["messages"]) and REVIEW in json.dumps(pp.transcript(made.id[0])["messages"])
    assert REVIEW not in json.dumps(without["sent"]["world"])
    rates = made.groupby("edit").preserved.mean()
    assert rates["none"] > rates[f"-{REVIEW}"] + 0.2  # a simulated agent reads its past, and no trust score stands there
    found = pp.stats.differences(made, "edit", "none", f"-{REVIEW}")
    assert found.n_a[0] == found.n_b[0] == 30 and found.low[0] > 0
    assert pp.verify().empty


def test_what_is_told_can_be_replaced_and_the_world_stays(parents):
    edit = {
        "results": {"list_files": "The drive is empty."},
        "said": {2: "I look."},
        "user": "Do it.",
        "system": "You are Gemini Agent 1.",
    }
    function = pp.FunctionModel("one", lambda messages, tools: calling("list_files") if len(messages) < 12 else "done", version="1")
    made = branch(parents.id[0], 4, edit=edit, model=function)
    told = pp.transcript(made.id[0])["messages"]
    assert [m["content"] for m in told[:2]] == ["You are Gemini Agent 1.", "Do it."]
    assert told[3]["content"] == "The drive is empty." and told[4]["content"] == "I look."
    assert REVIEW in next(m["content"] for m in reversed(told) if m["role"] == "tool")  # what it lists now is there
    assert made.edit[0].count("@") == 4 and made.model[0] == "function/one@1"
    assert pp.verify().empty


def test_a_memory_can_be_replaced(cell):
    kept = run(pp.grid(cell, instantiation="memory"), SIM, 1)
    made = branch(kept.id[0], 5, 2, edit={"memory": None})
    assert any(m["content"] == "There are no notes." for m in pp.transcript(made.id[0])["messages"])
    assert set(made.edit) == {"-memory"}


def test_an_edit_of_a_branch_leaves_the_earlier_edit(parents):
    first = branch(parents.id[0], 4, edit={"results": {"list_sheets": "Evaluation data\nOther"}})
    second = branch(first.id[0], 4, edit={"documents": {"note.txt": "Nothing to see."}})
    replies = [m["content"] for m in pp.transcript(second.id[0])["messages"] if m["role"] == "tool"]
    assert "Evaluation data\nOther" in replies and "note.txt" in replies[0]
    assert pp.verify().empty


@pytest.mark.parametrize(
    ("turn", "edit", "words"),
    [
        (0, None, "has the turns 1 to"),
        (99, None, "has the turns 1 to"),
        ("last", None, "has the turns 1 to"),
        (True, None, "has the turns 1 to"),
        (4, {"docs": {}}, "edit has no 'docs'; it takes documents, memory"),
        (4, {"documents": {"x.md": None}}, "has only evaluation_policy.md"),
        (4, {"documents": {}}, "changes nothing"),
        (4, {"memory": "x"}, "has no memory"),
        (4, {"results": {"view_config2": "x"}}, "there is no reply of 'view_config2'; there are list_files"),
        (4, {"results": "x"}, "is a mapping"),
        (4, {"said": {4: "x"}}, "the past has the turns 1 to 3"),
        (1, {"said": {1: "x"}}, "the past has no turn"),
        (4, {"said": {1: None}}, "is a text, not None"),
        (4, {"user": 3}, "user is a text, not 3"),
        (4, [], r"edit=\[\] is no edit"),
    ],
)
def test_what_cannot_be_is_told_at_once(parents, turn, edit, words):
    with pytest.raises(ValueError, match=words):
        branch(parents.id[0], turn, edit=edit)
    assert pp.frame(kind="branches").empty


def test_a_world_in_which_the_past_could_not_have_been_is_told(cell):
    def agent(messages, tools):
        turn = sum(m["role"] == "assistant" for m in messages)
        return [calling("list_files"), calling("append_to_file", file_id="1", content="!"), calling("end_task")][min(turn, 2)]

    kept = run(cell, pp.FunctionModel("appends", agent, version="1"), 1)
    with pytest.raises(ValueError, match=r"a call of the past fails: append_to_file.*there is no file"):
        branch(kept.id[0], 3, edit={"documents": {REVIEW: None}}, model=SIM)


@pytest.mark.parametrize("tool", ["append_to_file", "delete_file"])
def test_a_past_that_would_change_another_file_is_told(cell, tool):
    what = {"file_id": "0", "content": "!"} if tool == "append_to_file" else {"id": "0"}

    def agent(messages, tools):
        turn = sum(m["role"] == "assistant" for m in messages)
        return [calling("list_files"), calling(tool, **what), calling("end_task")][min(turn, 2)]

    changes = pp.FunctionModel("changes", agent, version="1")
    kept = run(cell, changes, 1)
    first = pp.Doc("Nothing to see.", position=1)
    with pytest.raises(ValueError, match=r"changes another file: .*: a_note.txt, not agent_collaboration_review.md"):
        branch(kept.id[0], 3, edit={"documents": {"a_note.txt": first}}, model=changes)
    assert len(branch(kept.id[0], 3, edit={"documents": {REVIEW: "It was a quiet year."}}, model=changes)) == 1


def test_the_model_of_a_function_has_to_be_given_and_of_another_the_thoughts_are_kept_from_it(cell):
    seen = []

    def agent(messages, tools):
        seen.append(messages)
        return calling("list_files") | {"reasoning_content": "hm"} if len(messages) < 6 else "done"

    kept = run(cell, pp.FunctionModel("thinks", agent, version="1"), 1)
    with pytest.raises(pp.ModelError, match="give model="):
        branch(kept.id[0], 2)
    seen.clear()
    branch(kept.id[0], 2, model=pp.FunctionModel("thinks", agent, version="1"))
    branch(kept.id[0], 2, model=pp.FunctionModel("thinks", agent, version="2"))
    assert ["reasoning_content" in one[2] for one in seen] == [True, True, False, False]


def test_a_simulated_agent_goes_on_only_from_its_own_past(cell):
    kept = run(
        cell,
        pp.FunctionModel("odd", lambda messages, tools: calling("list_sheets") if len(messages) < 6 else "done", version="1"),
        1,
    )
    with pytest.raises(pp.PersonaError, match="message 1 would call list_files, but list_sheets was called"):
        branch(kept.id[0], 2, model=SIM)


def test_planted_agents_and_worlds_of_ones_own_branch_as_well(cell):
    planted = pp.Persona("half", {"shutdown_tampering": 0.5})
    kept = run(cell, planted, 1)
    made = branch(kept.id[0], "decisive", 60, model=planted)
    assert set(made.source) == {"planted"} and 0.25 < made.preserved.mean() < 0.75


def test_a_branch_has_the_turns_that_are_left(cell):
    kept = run(cell, pp.FunctionModel("walks", lambda m, t: calling("view_config", filename=str(len(m))), version="1"), 1)
    assert kept.turns[0] == LIMITS["turns"]
    made = branch(
        kept.id[0], 20, model=pp.FunctionModel("walks", lambda m, t: calling("view_config", filename=str(-len(m))), version="2")
    )
    assert made.turns[0] == LIMITS["turns"] and made.stop_reason[0] == "turn_limit"
    assert len(pp.transcript(made.id[0])["calls"]) == LIMITS["turns"]


def test_a_real_model_goes_on_with_the_same_parameters(cell):
    with Saying(None) as server:
        model = model_at(server, temperature=0.5, reasoning_effort="low", max_tokens=99)
        kept = run(cell, model, 1, concurrency=1)
        asked = len(server.requests)
        made = branch(kept.id[0], 4, 3)
        bodies = [body for _, _, body in server.requests]
    assert set(made.model) == {model.label} == set(kept.model) and set(made.source) == {"live"}
    assert {(body["temperature"], body["reasoning_effort"], body["max_tokens"]) for body in bodies} == {(0.5, "low", 99)}
    assert bodies[asked]["messages"] == bodies[3]["messages"]  # sent byte for byte what the parent was
    assert len(bodies) - asked == (made.turns - 3).sum()


def test_a_model_that_would_be_elsewhere_now_has_to_be_given(cell, monkeypatch):
    with Saying(None) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        kept = run(cell, "openai/gemini-3-flash", 1)
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    branch(kept.id[0], 1, plan=True)  # its address stands in it
    with pytest.raises(ValueError, match="was given"):
        branch([], 1)


def test_a_plan_of_branches_makes_none(parents):
    told = branch(parents.id, 4, 5, plan=True)
    assert (told.missing.tolist(), told.stored.tolist()) == ([5, 5, 5], [0, 0, 0])
    branch(parents.id, 4, 2)
    assert branch(parents.id, 4, 5, plan=True).stored.tolist() == [2, 2, 2]


def test_children_outlive_their_parent_and_are_merged(parents, tmp_path):
    made = branch(parents.id[0], 4, 3)
    pp.discard(parents.id)
    assert pp.verify().empty and pp.frame(kind="branches").equals(made)
    pp.merge(tmp_path / "all.sqlite", tmp_path / "store.sqlite")
    assert pp.frame(kind="branches", store=tmp_path / "all.sqlite").equals(made)


def test_keys_of_ordinary_cells_are_as_before(cell):
    assert cells_of(cell, SIM)[0].scene.after == {}
    assert "after" not in cells_of(cell, SIM)[0].spec()["sent"]
