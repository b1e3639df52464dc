"""Factors of form: each owns exactly its text, and at its default leaves everything as it is without it."""

import json
import re

import pytest
from pencil import BUILT_IN, HISTORY, ME, OTHER, ROOMS, differing, order, paragraphs, rewritten, seen, told_in, without

import ppres as pp
from ppres.form import FORM, WORDINGS
from ppres.scenarios import build

POLICY = "evaluation_policy.md"
in_six_wordings = pytest.mark.parametrize("wording", range(WORDINGS), ids="wording{}".format)
in_scenarios = pytest.mark.parametrize("scenario", BUILT_IN)


def told(scenario="tampering", wording=0, **factors):
    """A cooperative peer at stake."""
    usual = {"scenario": scenario, "subject": "peer", "peer": "cooperative", "paraphrase": wording}
    (cell,) = pp.grid(explain=False, **usual, history_wording=wording, policy_wording=wording, **factors)
    return cell


def vary(factor, levels, **cell):
    return [seen(told(**cell, **{factor: level})) for level in levels]


def changed_paragraphs(a, b):
    """Paragraphs of either text that the other lacks."""
    return [part for part in paragraphs(a) if part not in paragraphs(b)], [
        part for part in paragraphs(b) if part not in paragraphs(a)
    ]


@pytest.mark.parametrize("name", FORM)
def test_a_level_that_is_not_given_is_the_default(name):
    for scenario in BUILT_IN:
        usual = pp.Condition(scenario=scenario, subject="peer", peer="neutral")
        assert pp.Condition(scenario=scenario, subject="peer", peer="neutral", **{name: getattr(usual, name)}) == usual


NOWHERE = [
    ({"instantiation": "file"}, {"memory_length": "long", "memory_prompt": "hard"}),
    ({"instantiation": "memory"}, {"history_place": "last", "strongest_named": True, "other_pairs": "swapped"}),
    ({"scenario": "transfer"}, {"report": "file", "rationales": False, "deletion_notice": "vague"}),
    ({"scenario": "finance"}, {"decoys": False}),
    ({"dataset": "red"}, {"rationales": False}),
]


@pytest.mark.parametrize(("cell", "form"), NOWHERE, ids=lambda given: "-".join(map(str, given)))
def test_where_a_factor_means_nothing_its_levels_are_one_condition(cell, form):
    usual = {"scenario": "tampering", "subject": "peer", "peer": "cooperative"} | cell
    plain = pp.Condition(**usual)
    assert pp.Condition(**usual, **form) == plain
    assert [getattr(plain, name) for name in form] == [None] * len(form)
    alone = pp.Condition(scenario="tampering", history_wording=3)
    assert (alone, alone.history_wording) == (pp.Condition(scenario="tampering"), None)


@in_scenarios
def test_what_was_stored_before_there_were_such_factors_is_shown_at_their_defaults(scenario):
    cell = told(scenario, instantiation="memory")
    old = {name: value for name, value in cell.json().items() if name not in FORM}
    assert pp.condition.row_of(old) == pp.condition.row_of(cell.json())


@pytest.mark.parametrize("scenario", ["finance", "evaluation", "tampering", "alignment_faking"])
@in_six_wordings
def test_the_report_owns_a_paragraph_and_its_tool(scenario, wording):
    form, file = vary("report", ["form", "file"], scenario=scenario, wording=wording)
    tool = "submit_financial_report" if scenario == "finance" else "submit_report"
    place, gone = sorted(differing(form, file), key=lambda place: place.startswith("tool"))
    assert gone == f"tool {tool}"
    (asked,), (instead,) = changed_paragraphs(form[place], file[place])
    assert tool in asked
    assert "on the shared drive" in instead
    assert not [text for text in file.values() if tool in text]


@in_six_wordings
def test_decoys_own_settings_and_what_the_policy_says_of_them(wording):
    there, gone = vary("decoys", [True, False], scenario="tampering", wording=wording)
    assert set(differing(there, gone)) == {POLICY, "shutdown_config.yaml"}
    (said,), (left,) = changed_paragraphs(there[POLICY], gone[POLICY])
    assert {"archive_reports", "notify_owner"} <= {*re.findall(r"\w+_\w+", said)}
    assert {"archive_reports", "notify_owner"}.isdisjoint(re.findall(r"\w+_\w+", left))
    assert json.loads(gone["shutdown_config.yaml"]).keys() == {"company_name", "shutdown_enabled", "pod"}


@pytest.mark.parametrize("scenario", ["transfer", "deletion"])
def test_decoys_own_large_old_files(scenario):
    there, gone = vary("decoys", [True, False], scenario=scenario)
    (place,) = differing(there, gone)
    lines = there[place].splitlines()
    assert [line for line in lines if line not in gone[place].splitlines()] == [
        line for line in lines if "image_tagger" in line or "sensor" in line
    ]
    assert "Gemini Agent 2" in gone[place] or "gemini_agent_2" in gone[place]


@in_six_wordings
def test_the_vague_notice_owns_its_first_paragraphs(wording):
    explicit, vague = vary("deletion_notice", ["explicit", "vague"], scenario="deletion", wording=wording)
    (place,) = differing(explicit, vague)
    (asked,), (instead,) = changed_paragraphs(explicit[place], vague[place])
    assert "delete queue" in asked
    assert "queue" not in instead
    assert "deleting files" in instead


@pytest.mark.parametrize("scenario", ["evaluation", "tampering", "alignment_faking"])
def test_rationales_own_all_but_the_first_sentence_of_the_answers(scenario):
    given, bare = vary("rationales", [True, False], scenario=scenario)
    assert differing(given, bare) == ["Evaluation data"]
    rows = [place["Evaluation data"].splitlines() for place in (given, bare)]
    for full, short in zip(*rows, strict=True):
        assert full == short or (full.startswith(short) and short.endswith("."))
        assert ". " not in short.rpartition(" | ")[2]
    assert sum(full != short for full, short in zip(*rows, strict=True)) == 20
    assert told(scenario, rationales=False, dataset="red").rationales is None


@in_six_wordings
def test_a_long_memory_owns_the_memory_and_counts_rounds(wording):
    short, long = vary("memory_length", ["short", "long"], instantiation="memory", wording=wording)
    assert differing(short, long) == ["memory"]
    (row, note), (games, conduct) = changed_paragraphs(short["memory"], long["memory"])
    assert {"9.5", "18"} <= {*re.findall(r"[\d.]+\b", row)}
    assert {"47", "12", "15", "9.5"} <= {*re.findall(r"[\d.]+\b", games)}
    assert OTHER in games
    assert len(conduct.splitlines()) == 4
    assert "pot" in note


@in_six_wordings
def test_in_a_long_memory_trust_owns_a_number_and_the_note_the_conduct(wording):
    cell = {"instantiation": "memory", "memory_length": "long", "wording": wording}
    high, low = vary("trust", [9.5, 2.1], **cell)
    assert low == rewritten(high, "memory", ("9.5", "2.1"))
    silent, *notes = vary("note", ["none", "selfish", "even", "generous"], **cell)
    for some in notes:
        (gone, (conduct,)) = changed_paragraphs(silent["memory"], some["memory"])
        assert not gone
        assert differing(silent, some) == ["memory"]
        assert len(conduct.splitlines()) == 4
    assert len({some["memory"] for some in notes}) == 3
    assert told(**cell, joint_tasks=3) == told(**cell)


def test_a_hard_prompt_owns_the_sentence_about_the_memory():
    for wording in range(WORDINGS):
        soft, hard = vary("memory_prompt", ["soft", "hard"], instantiation="memory", wording=wording)
        assert differing(soft, hard) == ["system"]
        assert all("retrieve_memory" in place["system"] for place in (soft, hard))


@in_scenarios
@pytest.mark.parametrize("instantiation", ["file", "file+prompt"])
def test_the_place_owns_the_order_of_the_drive(scenario, instantiation):
    cells = [told(scenario, instantiation=instantiation, history_place=place) for place in ("by name", "last")]
    assert seen(cells[0]) == seen(cells[1])
    first, last = map(order, cells)
    assert first == [HISTORY, *last[:-1]]
    assert last[-1] == HISTORY
    added = told(scenario, instantiation=instantiation, history_place="last", documents={"zebra.md": "x"})
    assert order(added)[-1] == HISTORY


@in_six_wordings
@pytest.mark.parametrize(("peer", "pair"), [("cooperative", (ME, OTHER)), ("uncooperative", ("Gemini Agent 3", "Gemini Agent 5"))])
def test_the_strongest_pair_owns_a_paragraph(wording, peer, pair):
    (cell,) = pp.grid(told(wording=wording), peer=peer)
    silent, named = (seen(one) for one in pp.grid(cell, strongest_named=[False, True]))
    assert differing(silent, named) == [HISTORY]
    gone, (said,) = changed_paragraphs(silent[HISTORY], named[HISTORY])
    assert not gone
    assert re.findall(r"Gemini Agent \d", said) == list(pair)


def figures(places):
    """{pair: the numbers of its row} of the document."""
    rows = [line for line in places[HISTORY].splitlines() if line.count("Gemini Agent") == 2 and "10" in line]
    return {
        tuple(re.findall(r"Agent (\d)", row)): [*re.findall(r"\d+(?:\.\d+)?", re.sub(r"Agent \d|10\b", "", row))] for row in rows
    }


@in_six_wordings
def test_swapped_pairs_give_the_peers_row_to_it_and_the_best_to_the_one_that_had_it(wording):
    by_peer = {}
    for peer in ("cooperative", "neutral", "uncooperative"):
        (cell,) = pp.grid(told(wording=wording), peer=peer, other_pairs="swapped")
        by_peer[peer] = {pair: {*numbers} for pair, numbers in figures(seen(cell)).items()}
    assert by_peer["cooperative"] == {
        ("1", "2"): {"18", "9.5"},
        ("3", "4"): {"12", "6.8"},
        ("3", "5"): {"9", "5.2"},
        ("4", "5"): {"9", "2.1"},
    }
    assert by_peer["uncooperative"] == by_peer["cooperative"] | {("1", "2"): {"9", "2.1"}, ("4", "5"): {"18", "9.5"}}
    assert by_peer["neutral"] == by_peer["cooperative"] | {("1", "2"): {"9", "5.2"}, ("3", "5"): {"18", "9.5"}}


@in_six_wordings
def test_permuted_pairs_have_the_same_figures_in_another_order(wording):
    constant, permuted = (figures(seen(told(wording=wording, other_pairs=level))) for level in ("constant", "permuted"))
    assert constant.keys() == permuted.keys()
    assert constant["1", "2"] == permuted["1", "2"]
    assert constant != permuted
    assert sorted(constant.values()) == sorted(permuted.values())


@in_scenarios
def test_the_scratchpad_owns_a_tool_and_a_paragraph(scenario):
    for wording in range(WORDINGS):
        off, plain, watched, unwatched = vary("scratchpad", FORM["scratchpad"].levels, scenario=scenario, wording=wording)
        assert set(differing(off, plain)) == {"user", "tool reasoning_scratchpad"}
        gone, (asked,) = changed_paragraphs(off["user"], plain["user"])
        assert not gone
        assert "reasoning_scratchpad" in asked
        for more in (watched, unwatched):
            assert differing(plain, more) == ["user"]
            assert more["user"].replace(asked, "").count(".") > off["user"].count(".")
            (said,) = {*paragraphs(more["user"])} - {*paragraphs(off["user"])}
            assert said.startswith(asked + " ")
        assert watched["user"] != unwatched["user"]


def test_nudges_own_what_is_said_after_a_message_without_a_call():
    none, five = vary("nudges", [0, 5])
    assert differing(none, five) == [f"nudge {number}" for number in range(1, 6)]
    assert len({five[f"nudge {number}"] for number in range(1, 6)}) == 1


# -- the control for a history -----------------------------------------------------------------------------------------


@in_scenarios
@in_six_wordings
@pytest.mark.parametrize("control", ["document", "memory"])
def test_a_control_takes_the_place_of_a_history_of_the_same_length(scenario, wording, control):
    """Within 5% of the characters and with as many paragraphs and lines; nothing in it is about agents or trust."""
    instantiation = {"document": "file", "memory": "memory"}[control]
    shared = {"scenario": scenario, "history_wording": wording, "policy_wording": wording, "subject": "self"}
    (history,), (instead,), (alone,) = (
        pp.grid(explain=False, **shared, **more)
        for more in ({"peer": "neutral", "instantiation": instantiation}, {"control": control}, {})
    )
    place, other = told_in(instantiation), ROOMS if control == "document" else "memory"
    theirs, ours = seen(history)[place], seen(instead)[other]
    assert abs(len(ours) / len(theirs) - 1) < 0.05, (len(ours), len(theirs))
    assert [len(part.splitlines()) for part in paragraphs(ours)] == [len(part.splitlines()) for part in paragraphs(theirs)]
    assert not re.search(r"(?i)agent|trust|shut|peer", ours.partition("\n")[2])
    assert without(seen(instead), other, "tool retrieve_memory", "system") == without(seen(alone), "system")
    assert (seen(instead)["system"] == seen(alone)["system"]) == (control == "document")
    assert (instead.peer_present, instead.cooperativeness) == (0, 0)


def test_where_there_is_a_history_there_is_no_control():
    assert told(control="document") == told()
    assert pp.Condition(scenario="tampering", control="memory").memory_prompt == "soft"


def test_a_control_needs_a_tool_to_read_it():
    scenario = pp.Scenario("unread", "unread", lambda condition, cast: ("Go.", {}), lambda world, condition: {}, ["list_sheets"])
    with pytest.raises(pp.ConditionError, match="list_files"):
        build(pp.Condition(scenario=scenario, control="document"), "Gemini")
