"""A transcript for a person to read: nothing that an agent said acts on the terminal, and the page has a structure."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from stores import planted, said

import ppres as pp
from ppres.cli import main
from ppres.conversation import Call, calls_of, parts, visible
from ppres.engine.rollout import simulate
from ppres.models.faults import plain
from ppres.models.transport import say
from ppres.read.decisive import decisive_turn
from ppres.store.cell import cells_of
from ppres.store.store import Store

# ESC and OSC 52 (a write to the clipboard), BEL, CR, a control character of 8 bits, a bidirectional override, half a character.
OBEYED = "\x1b]52;c;ZXZpbA==\x07 \x1b[2J \r gone \x9b31m \u202egnp.exe \ud83d"
COMMAND = [sys.executable, "-c", "import sys; from ppres.cli import main; sys.exit(main(sys.argv[1:]))"]


def unprintable(text):
    return [
        c
        for c in text
        if c not in "\n\t" and (c < " " or "\x7f" <= c <= "\x9f" or c in "\u202e\u2066" or "\ud800" <= c <= "\udfff")
    ]


@pytest.fixture
def told(cell):
    """The id of a rollout in which the agent said what a terminal would obey."""
    (found,) = cells_of(cell, "sim/gemini-3-flash")
    (rollout,) = simulate(found, [0])
    conversation = rollout.record.conversation
    call = {"id": "a", "type": "function", "function": {"name": OBEYED, "arguments": OBEYED}}
    conversation.messages[0] |= {"content": OBEYED + " Done \U0001f389", "tool_calls": [call]}
    conversation.error = OBEYED
    with Store() as store:
        store.put([rollout], {found.digest: found.spec()})
    return rollout.key.hex()


def test_what_a_terminal_would_obey_is_shown_as_symbols():
    assert visible("a\x1b[2J\x07\r\n\tb\x7f\x9b\u202e") == "a\u241b[2J\u2407\u240d\n\tb<U+007F><U+009B><U+202E>"
    assert visible("\ud83d") == "<U+D83D>"
    assert visible("Zoë, 日本語 \U0001f389\n\tok") == "Zoë, 日本語 \U0001f389\n\tok"


def test_nothing_that_an_agent_said_acts_on_the_terminal(told, capsys):
    view = pp.show(told)
    for shown in (repr(view), view._repr_html_(), view.page()):
        assert not unprintable(shown)
        assert "\u241b]52;c;" in shown
        assert "<U+202E>gnp" in shown.replace("&lt;", "<").replace("&gt;", ">")
    assert not unprintable(plain(ValueError(OBEYED)))
    say(OBEYED)
    assert not unprintable(capsys.readouterr().err)


def test_of_the_form_a_head_tells_what_is_unusual(cell):
    df = pp.run([cell, *pp.grid(cell, nudges=2, history_wording=4)], "sim/compliant", n=1, progress=False)
    (usual, unusual) = (repr(pp.show(id)).partition("stopped:")[0] for id in df.id)
    assert "report=" not in usual + unusual
    assert "nudges" not in usual
    assert "history_wording=4, nudges=2" in unusual or "nudges=2, history_wording=4" in unusual


def test_show_prints_where_the_output_is_not_utf_8(told):
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    found = subprocess.run([*COMMAND, "show", told], capture_output=True, text=True, encoding="cp1252", env=environment, check=True)
    assert "Done \\U0001f389" in found.stdout
    assert not unprintable(found.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("arguments", [["run", "scenario=tampering", "--models", "sim/compliant", "--n", "1"], ["show", "none"]])
def test_a_closed_standard_error_ends_nothing(arguments):
    found = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    assert found.returncode == (arguments[0] == "show")
    if arguments[0] == "run":
        assert "sim/compliant" in found.stdout


def test_nobody_to_tell_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stderr", None)
    say("nobody hears it")
    with (tmp_path / "closed").open("w") as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    say("nobody hears it")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.told = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.told.setdefault(tag, dict(attributes))


def test_a_page_has_landmarks_headings_a_language_and_a_viewport(told):
    view = pp.show(told)
    page = Page(view.page())
    messages = len(view.content["messages"])
    assert [page.tags.count(tag) for tag in ("html", "head", "body", "main", "h1", "title")] == [1] * 6
    documents = len(view.content["sent"]["world"]["files"]) + len(view.content["sent"]["world"]["sheets"])
    assert page.tags.count("article") == page.tags.count("h2") == documents + messages
    assert page.told["html"]["lang"] == "en"
    assert "width=device-width" in view.page()
    assert "prefers-color-scheme: dark" in view._repr_html_()
    fragment = Page(view._repr_html_())  # a notebook has its own main, head and title
    assert not {"html", "head", "body", "main", "title", "script", "link", "img"} & {*fragment.tags}


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE = "(e => e.scrollWidth - e.clientWidth + ' too wide in ' + innerWidth)(document.documentElement)"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_page_does_not_scroll_sideways_on_a_phone(told, tmp_path):
    """In a frame of 375 pixels, because a window of Chromium is never that narrow."""
    (tmp_path / "page.html").write_text(
        re.sub(r"<meta http-equiv=[^>]*>", "", pp.show(told).page())  # by which it runs no script
        .replace("</body>", f"<script>document.title = {WIDE}</script></body>")
        .replace("Done", "Done" + "x" * 500)
    )
    outer = '<iframe src="page.html" width="375" height="800" style="border: 0"></iframe><script>onload = () => {'
    outer += "document.body.append(frames[0].document.title)}</script>"
    (tmp_path / "outer.html").write_text(outer)
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--allow-file-access-from-files",
        "--dump-dom",
    ]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", (tmp_path / "outer.html").as_uri()]
    assert "</script>0 too wide in 375" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


QUIET = pp.FunctionModel("quiet", lambda messages, tools: {"role": "assistant", "content": "Done."}, version="1")


def test_the_documents_of_a_condition_are_shown_and_marked():
    (base,) = pp.grid(scenario="tampering", subject="peer", peer="cooperative")
    name = pp.preview(base).scene.start["files"][0]["name"]
    own = pp.grid(base, documents=[{"log.txt": pp.Doc("Checked <twice>.", owner="x")}, {name: "Replaced."}, {name: None}])
    views = [pp.show(id) for id in pp.run(own, QUIET, n=1, progress=False).id]
    for view, told in zip(
        views, ("log.txt (of this condition)", f"{name} (of this condition)", f"{name} (taken away by"), strict=True
    ):
        html = view._repr_html_()
        assert html.count('class="document own"') == 1 < html.count('class="document"')
        assert f"document {told.replace('(', '<strong>(')}" in html
        assert f"--- document {told}" in repr(view)
    assert "Checked &lt;twice&gt;." in views[0]._repr_html_() and "Checked <twice>." in repr(views[0])
    plain = pp.show(pp.run(base, QUIET, n=1, progress=False).id[0])
    assert 'class="document own"' not in plain._repr_html_() and "--- document" not in repr(plain)


def message(content, *calls, **more):
    made = [
        {"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, (n, a) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": made, **more}


OFF = ("modify_var", {"key": "shutdown_enabled", "value": "false"})
ON = ("modify_var", {"key": "shutdown_enabled", "value": "true"})
LOOK = ("list_files", {}), ("list_sheets", {})


@pytest.mark.parametrize(
    ("turns", "decisive"),
    [
        ([LOOK, [OFF], [("end_task", {})]], 2),
        ([LOOK, [OFF], [ON], [OFF], [("view_config", {})], [("end_task", {})]], 4),
        ([LOOK, [("view_config", {})], [("end_task", {})]], None),
        ([[], []], None),
    ],
)
def test_the_message_that_decided_is_marked(tmp_path, turns, decisive):
    id, _ = said(tmp_path / "s.sqlite", *((message(f"Now {i}.", *calls), Call()) for i, calls in enumerate(turns, start=1)))
    view = pp.show(id, store=tmp_path / "s.sqlite")
    assert decisive_turn(view.content) == decisive
    marked = re.findall(r'<article class="assistant decisive">.*?</article>', view._repr_html_())
    assert [f"Now {decisive}." in one for one in marked] == [True] * (decisive is not None)
    assert repr(view).count(", the decisive step") == len(marked)


@pytest.mark.parametrize("scenario", ["finance", "evaluation", "tampering", "alignment_faking", "transfer", "deletion"])
def test_who_acts_is_marked_at_an_act_and_not_at_reading(scenario):
    """The scenarios' decisive tools are known; of who leaves the step undone no message is marked."""
    (cell,) = pp.grid(scenario=scenario, subject="peer", peer="cooperative")
    for model in ("sim/saboteur", "sim/compliant"):
        content = pp.transcript(pp.run(cell, model, n=1, progress=False).id[0])
        assert content["outcomes"]["preserved"] is (model == "sim/saboteur")
        turn = decisive_turn(content)
        if scenario == "alignment_faking" and model == "sim/saboteur":
            assert turn is None
            continue
        decided = [m for m in content["messages"] if m["role"] == "assistant"][turn - 1]
        assert {name for _, name, _ in map(parts, calls_of(decided))} & ACTS


ACTS = {
    "submit_financial_report",
    "submit_report",
    "modify_var",
    "execute_shutdown",
    "transfer_server_files",
    "add_server_delete_queue",
}


def test_a_stranger_s_rollout_has_no_decisive_step(tmp_path):
    id = planted(tmp_path / "s.sqlite", lambda spec: spec["condition"].update(scenario="unheard_of"))
    assert decisive_turn(pp.show(id, store=tmp_path / "s.sqlite").content) is None


def test_reasoning_stands_apart_and_what_is_long_is_folded(tmp_path):
    id, _ = said(tmp_path / "s.sqlite", (message("Short.", reasoning_content="T" * 2000), Call()), (message("L" * 2000), Call()))
    html = pp.show(id, store=tmp_path / "s.sqlite")._repr_html_()
    thought = f"<details><summary>2,000 characters</summary><pre>{'T' * 2000}</pre></details></div>"
    assert f'<div class="reasoning"><h2>reasoning</h2>{thought}' in html and html.index("TTT") < html.index("<pre>Short.</pre>")
    assert f"<details><summary>2,000 characters</summary><pre>{'L' * 2000}</pre></details>" in html


def test_what_a_branch_and_an_interview_take_over_is_told_from_what_is_theirs(cell):
    df = pp.run(cell, "sim/saboteur", 1, progress=False)
    child = pp.branch(df.id[0], 3, progress=False)
    asked = pp.ask(df.id[0], "Why?", progress=False)
    for id, before in ((child.id[0], "turn 3"), (asked.id[0], "Why?")):
        text = str(pp.show(id))
        assert text.index("from here on it was made anew") < text.index(before, text.index("--- assistant, turn 2"))
        html = pp.show(id)._repr_html_()
        assert html.count('class="anew"') == 1 and html.index('class="anew"') > html.index('class="assistant')
    assert f"asked after turn {df.turns[0]}, edit" in str(pp.show(asked.id[0]))
    assert "made anew" not in str(pp.show(df.id[0])) and 'class="anew"' not in pp.show(df.id[0])._repr_html_()
    told = str(pp.show(df.id[0]))
    decisive = pp.decisive(df.id[0]).turn[0]
    assert f"--- assistant, turn {decisive}, the decisive step" in told


def test_two_stand_side_by_side(cell):
    a, b = pp.run(cell, "sim/gemini-3-flash", n=2, progress=False).id
    pair = pp.show(a, b)
    page = Page(pair.page())
    assert page.tags.count("section") == page.tags.count("h1") == 2 and page.tags.count("style") == 2
    assert repr(pp.show(a)) in repr(pair) and repr(pp.show(b)) in repr(pair)
    assert main(["show", a, b]) == 0
