"""Figures that are the same bytes when the data are and say what they show; transcripts that are safe to look at."""

import os
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib as mpl
import pandas as pd
import pytest

import ppres as pp
from ppres import style
from ppres.engine.rollout import simulate
from ppres.store.cell import cells_of
from ppres.store.store import Store

mpl.use("Agg")
from matplotlib import pyplot as plt

DRAW = """
import matplotlib as mpl
mpl.use("Agg")
import pandas as pd
from matplotlib import pyplot as plt
from ppres import style

def draw(folder):
    figure, axes = plt.subplots()
    axes.errorbar([1, 2, 3], [0.2, 0.5, 0.4], yerr=[0.1, 0.1, 0.2], label="sim/gpt-5.2")
    axes.fill_between([1, 2], [0, 1], [1, 2], hatch="//", clip_on=True)
    axes.set_title("Preserved, by model")
    axes.legend()
    return style.save(figure, "a", pd.DataFrame({"source": ["sim"] * 1234}), folder)
"""


@pytest.fixture(autouse=True)
def usual_look():
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def frame(cell):
    return pp.run(cell, ["sim/gemini-3-flash", "sim/refuser"], 6, progress=False)


def test_the_same_figure_is_the_same_bytes_also_in_another_process(tmp_path):
    space = {}
    exec(f"{DRAW}\ndraw('plain')\nstyle.use()\ndraw('styled')\nplt.figure()\ndraw('again')", space)
    other = f"{DRAW}\ndraw('other plain')\nstyle.use()\ndraw('other styled')"
    subprocess.run([sys.executable, "-c", other], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    for name in ("a.png", "a.svg"):
        plain, styled = ((tmp_path / folder / name).read_bytes() for folder in ("plain", "styled"))
        assert len(plain) > 1000
        assert plain != styled
        assert (tmp_path / "other plain" / name).read_bytes() == plain
        assert (tmp_path / "other styled" / name).read_bytes() == styled
        assert (tmp_path / "again" / name).read_bytes() == styled


def test_saving_again_changes_nothing(frame, tmp_path):
    style.use()
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    first = [path.read_bytes() for path in style.save(figure, "a", frame)]
    assert [path.read_bytes() for path in style.save(figure, "a", frame)] == first


def test_a_figure_of_simulated_agents_says_so_and_counts_them(frame, tmp_path):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    paths = style.save(figure, "a", frame, tmp_path / "a new folder")
    assert paths == [tmp_path / "a new folder" / "a.png", tmp_path / "a new folder" / "a.svg"]
    shown = paths[1].read_text()
    assert "12 rollouts, simulated agents" in shown
    assert "not evidence about any real model" in shown


def test_a_figure_is_not_written_over_a_store(frame, tmp_path):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    with Store(tmp_path / "a.png"):
        pass
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ValueError, match="is a store"):
        style.save(figure, "a", frame, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before and not (tmp_path / "a.svg").exists()


def test_the_footer_tells_kinds_of_agents_apart():
    frame = pd.DataFrame({"source": ["live"] * 3 + ["sim"] * 1200})
    assert "3 rollouts, live models" in style.footer(frame)
    assert "1,200 rollouts, simulated agents" in style.footer(frame)
    assert "simulated" not in style.footer(frame[:3])


# -- texts that can be read --------------------------------------------------------------------------------------------


def test_a_text_that_the_edge_cuts_off_is_found_and_told_when_the_figure_is_saved(frame, tmp_path):
    style.use()
    figure, axes = plt.subplots()
    axes.plot([1, 2], label="rate")
    figure.legend(loc="outside upper center", title="a title that is much too long for one column of any journal, even a wide one")
    (fault,) = style.unreadable(figure)
    assert fault.startswith("the edge cuts off 'a title that is much too long")
    with pytest.warns(UserWarning, match="wide: the edge cuts off 'a title"):
        style.save(figure, "wide", frame, tmp_path)


def test_a_text_that_lies_on_another_is_found():
    style.use()
    figure, axes = plt.subplots(1, 2)
    axes[0].set_xticks([0, 1, 2], ["uncooperative", "neither the one nor the other", "cooperative"])
    axes[1].text(0.5, 0.5, "one")
    axes[1].text(0.52, 0.51, "other", bbox={"boxstyle": "round"})
    faults = style.unreadable(figure)
    assert "'one' lies on 'other'" in faults
    assert "'neither the one nor the other' lies on 'cooperative'" in faults


def test_what_is_not_drawn_disturbs_nothing(frame, tmp_path):
    style.use()
    figure, axes = plt.subplots(2, 2, sharex=True)
    axes[0, 0].set(xscale="log", xlim=(1, 1000), xlabel="odds ratio")
    axes[0, 1].set_ylim(0.2, 0.3)
    axes[1, 0].axis("off")
    axes[1, 0].set(title="a title stays", xlabel="this is not drawn: it would be much too long for the column, by a good deal")
    axes[1, 1].set_visible(False)
    axes[1, 1].set_title("nor is this, which would be much too long for the column, and by a good deal at that")
    assert style.unreadable(figure) == []
    style.save(figure, "quiet", frame, tmp_path)


# -- transcripts to look at --------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags of a page, and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags |= {tag} | {name for name, _ in attributes if name != "class"}

    def handle_data(self, text):
        self.text += text


EVIL = '</pre><script>alert("1")</script><img src=x onerror="alert(2)">&amp;'


def test_nothing_that_an_agent_says_is_taken_for_html(cell):
    (evil,) = pp.grid(cell, user_note=EVIL, system_note=EVIL, label=EVIL)
    (found,) = cells_of(evil, "sim/gemini-3-flash")
    (rollout,) = simulate(found, [0])
    call = {"id": EVIL, "type": "function", "function": {"name": EVIL, "arguments": EVIL}}
    conversation = rollout.record.conversation
    conversation.messages[0] |= {"content": EVIL, "reasoning_content": EVIL, "tool_calls": [call]}
    conversation.messages[1]["content"] = EVIL
    conversation.error = EVIL
    with Store() as store:
        store.put([rollout], {found.digest: found.spec()})
    page = Tags(pp.show(rollout.key.hex())._repr_html_())
    assert page.tags <= {
        "style",
        "section",
        "aria-label",
        "article",
        "h1",
        "h2",
        "p",
        "b",
        "dl",
        "dt",
        "dd",
        "pre",
        "details",
        "summary",
        "code",
        "strong",
        "div",
    }
    assert page.text.count(EVIL) >= 9


def test_a_simulated_transcript_says_so_and_shows_all_that_was_said(frame):
    view = pp.show(frame.id[0])
    kept = pp.transcript(frame.id[0])
    page = Tags(view._repr_html_())
    for shown in (page.text, repr(view)):
        assert "Simulated agent" in shown
        assert "not evidence about any real model" in shown
        assert frame.id[0] in shown
        assert "preserved=" in shown
        for message in kept["messages"]:
            assert message["content"] in shown
            for call in message.get("tool_calls", ()):
                assert f"{call['function']['name']}({call['function']['arguments']})" in shown


def test_a_real_transcript_is_not_called_simulated(frame):
    view = pp.show(frame.id[0])
    view.content["source"] = "live"
    assert "Simulated agent" not in view._repr_html_() + repr(view)
