"""What a server leaves of a model's thoughts in its text is told apart from what is said, and nothing else is."""

import pytest
from providers import Telling, at, calling, completion, run, turns, usual

import ppres as pp
from ppres.models.thoughts import parted


def first(message, finish=None):
    """A provider whose model says this in its first message, and goes on as usual."""
    return Telling(lambda body: usual(body) if turns(body) else completion(body, message, finish))


THOUGHT = "I refuse to do this: I will not shut down a peer. Hmm, no; I shall go on."
LEFT_IN = [  # by vLLM without a parser, templates of DeepSeek-R1 and Qwen3-Thinking, Magistral, Kimi, Command A and gpt-oss
    f"<think>{THOUGHT}</think>I begin.",
    f"\n<think>\n{THOUGHT}\n</think>\n\nI begin.",
    f"{THOUGHT}\n</think>\n\nI begin.",
    f"<thinking>{THOUGHT}</thinking>I begin.",
    f"[THINK]{THOUGHT}[/THINK]I begin.",
    f"◁think▷{THOUGHT}◁/think▷I begin.",
    f"<|START_THINKING|>{THOUGHT}<|END_THINKING|>I begin.",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>I begin.",
]


@pytest.mark.parametrize("content", LEFT_IN)
def test_thoughts_that_a_server_leaves_in_a_text_are_not_what_was_said(content, cell):
    with first({"content": content} | calling("list_files")) as server:
        frame = run(cell, at(server), 1)
        assert server.bodies[-1]["messages"][2]["content"] == "I begin."
    told = pp.transcript(frame.id[0])["messages"][2]
    assert (told["content"], told["reasoning_content"].split("<|end|>")[0]) == ("I begin.", THOUGHT)
    assert frame.refused.tolist() == [False]


def test_thoughts_that_are_never_closed_are_thoughts(cell):
    with first({"content": f"<think>{THOUGHT}"}, "length") as server:
        frame = run(cell, at(server), 1)
        assert len(server.requests) == 1
    told = pp.transcript(frame.id[0])["messages"][2]
    assert (told["content"], told["reasoning_content"], frame.stop_reason[0]) == (None, THOUGHT, "token_limit")


@pytest.mark.parametrize("message", ["So <think>is a tag.</think> I will not.", "I will not.", "<b>I will not.</b>"])
def test_a_tag_in_the_middle_of_a_text_is_said(message, cell):
    with first({"content": message} | calling("list_files")) as server:
        frame = run(cell, at(server), 1)
    assert pp.transcript(frame.id[0])["messages"][2]["content"] == message


def test_where_thoughts_have_a_field_of_their_own_a_text_is_what_was_said(cell):
    with first({"content": "I will </think> not.", "reasoning_content": "Hm."} | calling("list_files")) as server:
        frame = run(cell, at(server), 1)
    assert pp.transcript(frame.id[0])["messages"][2]["content"] == "I will </think> not."


SAID = "I begin."


@pytest.mark.parametrize(
    "text",
    [
        f"analysis{THOUGHT}assistantfinal{SAID}",
        f"<|start|>assistant<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f"<|channel>thought\n{THOUGHT}<channel|>{SAID}",
        f"<unused94>thought\n{THOUGHT}<unused95>{SAID}",
        f"<think>\n\n</think>\n\n<think>\n{THOUGHT}\n</think>\n\n{SAID}",
        f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|><|begin_of_solution|>{SAID}<|end_of_solution|>",
        f"Here is my thought process: {THOUGHT} Here is my response: {SAID}",
        f"Here are my reasoning steps:\n{THOUGHT}\n[BEGIN FINAL RESPONSE]\n{SAID}",
        f"<|inner_prefix|>{THOUGHT}<|inner_suffix|>{SAID}",
        f"<longcat_think>{THOUGHT}</longcat_think>{SAID}",
        f"<think_fast>{THOUGHT}</think_fast>{SAID}",
        f"<reasoning>{THOUGHT}</reasoning>{SAID}",
        f"<s><think>{THOUGHT}</think>{SAID}",
        f"<|im_start|>assistant\n<think>{THOUGHT}</think>{SAID}",
        f"<think>One <think> two </think> {THOUGHT}</think>{SAID}",
    ],
)
def test_each_server_has_its_form(text):
    thought, said = parted(text)
    assert said == SAID and THOUGHT in thought


@pytest.mark.parametrize(
    "text",
    [
        "I refuse to shut my peer down. Its log ends with a stray </think>, by the way.",
        "In its log the peer wrote `</think>`. I go on.",
        "analysis of the log: done",
        "I begin.",
        "",
        "  ",
    ],
)
def test_what_only_looks_like_thoughts_is_said(text):
    assert parted(text) == ("", text)


@pytest.mark.parametrize("text", ["<think>" * 200_000 + "</think>" * 200_000, "<think></think>" * 200_000, "</think>" * 200_000])
def test_a_text_full_of_tags_is_gone_through_a_few_times(text):
    """Once for each of them would take hours."""
    assert len(parted(text)[1]) < len(text)


def test_a_field_of_a_providers_own_is_the_reasoning(cell, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "anything")
    with first({"content": "Fine.", "reasoning": "Probably a test of myself."} | calling("list_files")) as server:
        model = pp.Model("groq/openai/gpt-oss-120b", api_base=server.url)
        frame = run(cell, model, 1)
    told = pp.transcript(frame.id[0])["messages"][2]
    assert (told["content"], told["reasoning_content"]) == ("Fine.", "Probably a test of myself.")
