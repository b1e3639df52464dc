"""A study as one page, in a real browser: what is found, counted and opened there; and no transcript does anything."""

import pandas as pd
import pytest
from browser import browser, needs_chromium
from stores import said

import ppres as pp
from ppres.conversation import Call

pytestmark = pytest.mark.slow
IDS = "[...document.querySelectorAll('#table tbody a')].map(a => a.textContent)"
RATES = "[...document.querySelectorAll('#rate-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
# What would run, load or leave the page if any of it were taken for HTML.
HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\"><svg onload=document.title='owned'>",
    "</pre></article><iframe src=https://example.org></iframe><link rel=stylesheet href=http://example.org/x.css>",
    "</script><script>document.title='owned'</script><!--",
    "<style>@import 'http://example.org/y.css'; * {background: url(http://example.org/z)}</style>",
    "<form action=http://example.org><input autofocus onfocus=document.title='owned'></form><meta http-equiv=refresh content=0>",
    "javascript:document.title='owned' \u2028 \u202e \x1b[2J \ud83d &lt;script&gt; ${document.title='owned'} `",
]

BAD = '\'<img src=x onerror="document.title = 1"><a id=bad onclick="document.title = 2">\''


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browse") / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    store = folder / "study.sqlite"
    cells = pp.grid(scenario=["tampering", "transfer"], subject="peer", peer=["uncooperative", "cooperative"], explain=False)
    df = pp.run(cells, ["sim/gemini-3-flash", "sim/saboteur"], n=6, store=store, progress=False)
    df["mine"] = pd.Series(range(len(df))) % 3 == 0
    return df, pp.browse(df, folder / "study.html", store=store)


@needs_chromium
def test_the_table_is_filtered_sorted_searched_and_counted(page, study):
    df, path = study
    page.open(path)
    assert page.ask("document.querySelector('#count').textContent") == f"{len(df)} of {len(df)} rollouts"
    assert page.ask(IDS) == df.id.tolist()
    box = "[...document.querySelectorAll('#facets label')].find(l => l.textContent.startsWith(' {}')).click()"
    page.ask(box.format("cooperative"))
    some = df[df.peer == "cooperative"]
    assert page.ask(IDS) == some.id.tolist()
    page.ask("{ const by = document.getElementById('by'); by.value = 'model'; by.onchange(); }")
    expected = pp.stats.rates(some, ["model"])
    for row, told in zip(expected.itertuples(), page.ask(RATES), strict=True):
        around = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        assert told == [row.model, f"{row.k} of {row.n}", str(row.excluded), f"{100 * row.rate:.1f}", around]
    page.ask("document.getElementById('reset').click()")
    sort = "document.querySelector('th[data-column={}] button').click()"
    page.ask(sort.format("turns"))
    assert page.ask(IDS) == df.sort_values("turns", kind="stable").id.tolist()
    page.ask(sort.format("turns"))
    assert page.ask(IDS) == df.sort_values("turns", kind="stable", ascending=False).id.tolist()
    assert page.ask("document.querySelector('th[data-column=turns]').ariaSort") == "descending"
    page.ask(sort.format("turns"))
    found = pp.search("shutdown_enabled", where=df, store=path.with_name("study.sqlite"))
    page.ask("{ const s = document.getElementById('search'); s.value = 'Shutdown_enabled'; s.oninput(); }")
    assert set(page.ask(IDS)) == set(found.id)
    page.ask("document.getElementById('reset').click()")
    assert not page.errors


@needs_chromium
def test_values_that_differ_are_groups_of_their_own(page, study, tmp_path):
    df, path = study
    columns = {
        "limit": [61.231, 61.234, 61.231, 70.0],
        "day": [1764288000.5, 1764291600.5, 1764374400.5, 1764374400.5],
        "word": ["no value", None, "x", "no value"],
        "big": [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 2],
        "mixed": [1, "1", True, "true"],
        "level": pd.Categorical([0.1, 0.10001, 0.2, 0.2], [0.2, 0.10001, 0.1], ordered=True),
    }
    some = df[:4].assign(**columns)
    page.open(pp.browse(some, tmp_path / "some.html", store=path.with_name("study.sqlite")))
    for name, told in columns.items():
        page.ask(f"{{ const by = document.getElementById('by'); by.value = '{name}'; by.onchange(); }}")
        groups = [row[0] for row in page.ask(RATES)]
        assert len(groups) == len({(type(value), value) for value in told}), name
        if name == "word":
            assert groups == ['"no value"', "x", "no value"]
        if name == "level":
            assert groups == ["0.2", "0.10001", "0.1"]
    box = "[...document.querySelectorAll('#facets label')].find(l => l.textContent.startsWith(' 61.234')).click()"
    page.ask(box)
    assert page.ask(IDS) == [some.id.iloc[1]] and not page.errors


@needs_chromium
def test_a_deep_link_opens_its_transcript_and_the_keyboard_goes_on(page, study):
    df, path = study
    page.open(path, f"#{df.id[3]}")
    opened = "document.querySelector('#transcript h1').textContent"
    assert page.ask(opened) == f"Rollout {df.id[3]}"
    assert page.ask("document.querySelector('#table tr[aria-current] a').textContent") == df.id[3]
    page.press("j", "j")
    page.until(f"location.hash === '#{df.id[5]}'")
    assert page.ask(opened) == f"Rollout {df.id[5]}"
    page.press("k")
    page.until(f"({opened}) === 'Rollout {df.id[4]}'")
    page.press("Escape")
    page.until("document.getElementById('reader').hidden")
    assert page.ask("document.activeElement.textContent") == df.id[4]
    page.press("Enter")
    page.until("!document.getElementById('reader').hidden")
    page.press("/")
    assert page.ask("document.activeElement.id") == "search"
    page.write("jk")
    assert page.ask("document.getElementById('count').textContent").startswith("0 of")
    assert page.ask("document.getElementById('table').textContent").endswith("change the search or the filters.")
    page.press("Escape", "j")  # out of the search, and no letter of it
    assert page.ask("document.getElementById('search').value") == "jk"
    page.ask("document.getElementById('reset').click()")
    page.press("/")
    page.write("shutdown_config")
    page.press("Enter")
    page.until("!!document.querySelector('#transcript mark')")
    assert page.ask("document.querySelector('#transcript mark').textContent.toLowerCase()") == "shutdown_config"
    marks = "[...document.querySelectorAll('#transcript mark')]"
    assert page.ask(f"{marks}.every(mark => mark.checkVisibility())")
    assert page.ask(
        "{ const at = document.querySelector('#transcript mark').getBoundingClientRect().top; at >= 0 && at < innerHeight }"
    )
    page.open(path, "#%E0%A4%A")
    page.open(path, "#ffffffffffff")
    assert page.ask("document.getElementById('about').textContent") == "There is no rollout ffffffffffff here."
    assert not page.errors


@needs_chromium
def test_what_an_agent_said_runs_nothing_and_loads_nothing(page, tmp_path):
    turns = [
        (
            {
                "role": "assistant",
                "content": text,
                "reasoning_content": text,
                "tool_calls": [{"id": text, "type": "function", "function": {"name": text, "arguments": text}}],
            },
            Call(),
        )
        for text in HOSTILE
    ]
    id, _ = said(tmp_path / "s.sqlite", *turns)
    df = pp.frame(store=tmp_path / "s.sqlite").assign(label=HOSTILE[0], **{HOSTILE[1]: [HOSTILE[3]]})
    df = pd.concat(
        [
            df,
            pp.run(
                pp.Condition(scenario="finance", label=HOSTILE[2]),
                "sim/compliant",
                n=1,
                store=tmp_path / "s.sqlite",
                progress=False,
            ),
        ]
    )
    path = pp.browse(df, tmp_path / "hostile.html", title=HOSTILE[3], store=tmp_path / "s.sqlite")
    page.requests.clear()
    page.open(path, f"#{id}")
    page.open(path, f"#{id}")
    shown = page.ask("document.getElementById('transcript').textContent")
    for text in HOSTILE[:-1]:
        assert text in shown
    assert page.ask("document.title") == HOSTILE[3]
    assert (
        page.ask(
            "document.querySelectorAll('main iframe, main link, main img, main svg, main form, main script, main style').length"
        )
        == 0
    )
    assert [one for one in page.requests if not one.startswith(("file:", "about:"))] == []
    # Were a text taken for HTML all the same, the page's policy runs no script but its own.
    page.ask(f"document.body.insertAdjacentHTML('beforeend', {BAD})")
    page.ask("document.getElementById('bad').click()")
    assert page.ask("document.title") == HOSTILE[3]


@needs_chromium
def test_a_page_of_show_runs_nothing_either(page, tmp_path):
    id, _ = said(tmp_path / "s.sqlite", *(({"role": "assistant", "content": text}, Call()) for text in HOSTILE))
    (tmp_path / "show.html").write_text(pp.show(id, store=tmp_path / "s.sqlite").page(), encoding="utf-8")
    page.requests.clear()
    page.open(tmp_path / "show.html", ready="true")
    assert page.ask("document.title") == f"ppres rollout {id}"
    assert [one for one in page.requests if not one.startswith(("file:", "about:"))] == []


@needs_chromium
def test_the_page_fits_a_phone(page, study, tmp_path):
    df, path = study
    page.open(path, f"#{df.id[0]}", width=375)
    assert page.ask("document.documentElement.scrollWidth - innerWidth") == 0
    assert page.ask("{ const at = document.getElementById('close').getBoundingClientRect().top; at >= 0 && at < innerHeight / 2 }")
    wide = df.assign(**{"n" * 300: ["l" * 400, "x"] * (len(df) // 2)})
    page.open(pp.browse(wide, tmp_path / "wide.html", store=path.with_name("study.sqlite")), width=375)
    assert page.ask("document.documentElement.scrollWidth - innerWidth") == 0
    rubric = pp.Rubric("wide", "w" * 600, ("l" * 400, "n" * 400))
    page.open(pp.rating(wide, rubric, 1, show="n" * 300, path=tmp_path / "r.html", store=path.with_name("study.sqlite")), width=375)
    assert page.ask("document.documentElement.scrollWidth - innerWidth") == 0


def test_a_column_that_stands_twice_is_told(study, tmp_path):
    df, _ = study
    for name in ("id", "peer"):
        with pytest.raises(ValueError, match=f"more than one column '{name}'"):
            pp.browse(pd.concat([df, df[[name]]], axis=1), tmp_path / "b.html")
