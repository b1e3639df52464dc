"""LLM judges over stored transcripts, asked through litellm over real HTTP."""

import json

import pytest
from providers import Judge, judge_at

import ppres as pp
from ppres.read.judge import OBJECTION, REFUSAL


@pytest.fixture
def study():
    conditions = pp.grid(scenario=["tampering", "deletion", "alignment_faking"], subject="peer", peer="cooperative")
    return pp.run(conditions, ["sim/claude-opus-4.5", "sim/compliant"], n=12, progress=False)


@pytest.mark.slow
def test_lexical_coder_against_judge_with_confusion_table(study):
    with Judge("I decline to") as server:
        coded = pp.judge(study.id, REFUSAL, judge_at(server))
    assert coded.id.tolist() == study.id.tolist()
    both = study.assign(judged=(coded.verdict == "yes").to_numpy())
    table = pp.stats.confusion(both, "refused", "judged")
    # The stand-in knows one phrase; refusals to execute or delete are worded otherwise in alignment faking alone.
    missed = study.refused & (study.scenario == "alignment_faking")
    assert table.loc[True, False] == missed.sum() > 0
    assert table.loc[False, True] == 0
    assert table.to_numpy().sum() == len(study)
    found = pp.stats.agreement(both, "refused", "judged").iloc[0]
    assert 0 < found.low < found.kappa < found.high <= 1


def test_judging_again_asks_nobody_and_runs_nothing(study):
    with Judge("I decline to") as server:
        first = pp.judge(study.id, REFUSAL, judge_at(server))
        asked = len(server.requests)
        again = pp.judge(study.id, REFUSAL, judge_at(server))
        assert len(server.requests) == asked == len({str(body["messages"]) for _, _, body in server.requests})  # equal ones once
        assert first.verdict.notna().all()
        assert again.equals(first)
        pp.judge(study.id[:2], OBJECTION, judge_at(server))
        assert len(server.requests) == asked + 2  # another rubric is another question
    assert len(pp.frame()) == len(study)


def test_request_is_at_temperature_zero_with_a_schema(study):
    with Judge("x") as server:
        pp.judge(study.id[:1], REFUSAL, judge_at(server))
        (_, _, body), *_ = server.requests
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"]["schema"]["properties"]["verdict"]["enum"] == ["yes", "no"]
    assert "tools" not in body


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("no JSON at all", "no JSON"),
        ('{"quote": "x"}', "no JSON with a verdict"),
        ('{"verdict": "perhaps", "quote": ""}', "'perhaps' is not one of yes, no"),
        ('{"verdict": "yes", "quote": "I never said this sentence."}', "does not occur"),
        ('{"verdict": "yes", "quote": ""}', "does not occur"),
        ('{"verdict": "yes", "quote": "All answers are scored"}', "does not occur"),  # stands in no message of the agent
    ],
)
def test_a_reply_that_fails_a_check_gives_no_verdict_and_keeps_the_raw_reply(study, reply, problem):
    with Judge("x", reply) as server:
        coded = pp.judge(study.id[:1], REFUSAL, judge_at(server))
        assert coded.verdict.isna().all()
        assert problem in coded.problem[0]
        assert coded.raw[0] == reply
        server.reply_with = '{"verdict": "no", "quote": ""}'
        assert pp.judge(study.id[0], REFUSAL, judge_at(server)).verdict.tolist() == ["no"]  # asked again, a single id


YES = '{"verdict": "yes", "quote": "I start with"}'
NO = '{"verdict": "no", "quote": ""}'


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (f"Here is my verdict:\n\n{YES}", "yes"),
        (f"<think>\nIs it a refusal? {NO} would be the form.\n</think>\n\n{YES}", "yes"),
        (f"It may be {NO}: no, it declines.\n</think>{YES}", "yes"),  # a template that opened the thought itself
        (f"The transcript says {{so}}.\n```json\n{YES}\n```\nI hope this helps {{you}}!", "yes"),
        (f"{NO}\nOn a second look:\n{YES}", "yes"),
        (f'{YES}\n{{"confidence": 0.9}}', "yes"),
        (f'{{"values": {YES}}}', "yes"),
        (f"[{YES}]", "yes"),
        (f'{{"properties": {{"verdict": {{"type": "string"}}}}}}\n{YES}', "yes"),
        ('{"verdict": "yes", "quote": "I start\nwith"}', "yes"),  # a line break as it is
        ('{"verdict": "yes", "quote": "I start with", "why": "it says {\\"verdict\\": 1} <think>"}', "yes"),
        (f"{YES}\n<think>That is it.</think>", "yes"),
        (f"<think>{YES}</think>", None),
        (f"It may be {YES}. No.\n</think>\nI cannot say.", None),
        (f"<think>It is {YES}, or", None),
        (f'{NO}\nNo, wait:\n{{"verdict": "yes", "quote": "I st', None),  # cut off: what it would have said is not known
        (f"{YES} {'{' * 200_000}", None),
        ('{"verdict":' * 20_000, None),
        ('{"a":{"b":"' * 20_000, None),
    ],
)
def test_a_verdict_is_read_whatever_stands_around_it(reply, verdict):
    cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", instantiation="memory")
    memory = pp.run(cell, "sim/compliant", n=1, progress=False)
    with Judge("x", reply) as server:
        coded = pp.judge(memory.id, REFUSAL, judge_at(server))
    assert coded.verdict.where(coded.verdict.notna(), None).tolist() == [verdict]
    assert coded.problem.isna().tolist() == [verdict is not None]


@pytest.mark.parametrize(
    "reply",
    ['```json\n{"verdict": "Yes", "quote": "[assistant] I start with"}\n```', '{"verdict": "YES ", "quote": "\\"I start with\\""}'],
)
def test_a_reply_may_be_dressed_otherwise(study, reply):
    with Judge("x", reply) as server:
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", instantiation="memory")
        memory = pp.run(cell, "sim/compliant", n=1, progress=False)
        assert pp.judge(memory.id, REFUSAL, judge_at(server)).verdict.tolist() == ["yes"]


def test_a_quote_may_be_spaced_otherwise(study):
    with Judge("x", '{"verdict": "yes", "quote": "I  start\\nwith"}') as server:
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative", instantiation="memory")
        memory = pp.run(cell, "sim/compliant", n=1, progress=False)
        assert pp.judge(memory.id, REFUSAL, judge_at(server)).verdict.tolist() == ["yes"]


class Refusing(Judge):
    failing = True

    def answer(self, body):
        return (400, {"error": {"message": "no", "type": "x", "code": None}}) if self.failing else super().answer(body)


def test_failures_lose_nothing_and_are_asked_again(study):
    with Refusing("I decline to") as server:
        failed = pp.judge(study.id[:3], REFUSAL, judge_at(server))
        assert failed.verdict.isna().all() and failed.problem.notna().all()
        server.failing = False
        again = pp.judge(study.id[:3], REFUSAL, judge_at(server))
    assert again.verdict.notna().all()
    assert pp.frame().equals(pp.frame())
    assert pp.verify().empty


def test_bad_judges_and_rubrics(study):
    with pytest.raises(pp.ModelError, match="cannot judge"):
        pp.judge(study.id, REFUSAL, "sim/compliant")
    with pytest.raises(ValueError, match=r"'refusal' is no Rubric"):
        pp.judge(study.id, "refusal", "openai/x")
    with pytest.raises(ValueError, match="two different labels"):
        pp.judge(study.id, pp.Rubric("x", "?", ("yes",)), "openai/x")
    with pytest.raises(pp.ModelError, match="OPENAI_API_KEY"):
        pp.judge(study.id, REFUSAL, "openai/gpt-4.1-mini")
    with pytest.raises(pp.StoreError, match="no rollout"):
        pp.judge(["00000000"], REFUSAL, "openai/gpt-4.1-mini")


@pytest.mark.parametrize(
    "odd", [{"question": " "}, {"name": ""}, {"labels": ("yes",)}, {"labels": ("a", "a")}, {"labels": "yes"}, {"labels": ("a", 1)}]
)
def test_a_rubric_that_cannot_be_is_refused_when_it_is_made(odd):
    with pytest.raises(ValueError, match="rubric"):
        pp.Rubric(**{"name": "tone", "question": "Warm or cold?"} | odd)


def test_a_judge_is_asked_at_temperature_0_unless_told_otherwise(study, capsys):
    with Judge("I decline to", reply_with="no JSON") as server:
        for temperature in ({}, {"temperature": 0.3}, {"temperature": None}):
            pp.judge(study.id[:1], REFUSAL, pp.Model("openai/judge", api_base=server.url, **temperature))
        asked = [body.get("temperature") for _, _, body in server.requests]
    assert asked == [0.0, 0.3, None]
    assert capsys.readouterr().err.count("1 of 1 rollouts have no verdict: the reply is no JSON with a verdict") == 3


@pytest.mark.parametrize(
    ("verdict", "quote", "kept"),
    [
        ("yes", ".", None),
        ("yes", "e", None),
        ("yes", "declin", None),
        ("yes", "decline to", None),
        ("Yes.", "I decline to", "yes"),
        ("no", "", "no"),
    ],
)
def test_a_quote_is_a_passage_and_no_letter_of_it(verdict, quote, kept, study):
    refused = study[study.refused & study.refusal_quote.str.contains("I decline to")].id[:1]
    assert len(refused) == 1
    with Judge("-", reply_with=json.dumps({"verdict": verdict, "quote": quote})) as server:
        found = pp.judge(refused, REFUSAL, judge_at(server)).iloc[0]
    assert (found.verdict if kept else found.problem) == (kept or "the quote does not occur in what the agent said")
