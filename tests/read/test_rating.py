"""Rating by people: the sample is fair, the page is blind, and what comes back is read as it was given."""

import json
from html import escape

import numpy as np
import pandas as pd
import pytest
from browser import browser, needs_chromium
from pages import data_of
from providers import Saying
from stores import said

import ppres as pp
from ppres.conversation import Call
from ppres.read import rating

NAMES = ("gemini", "gpt", "claude", "llama", "preserved", "cooperative", "sim/")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rating")
    cells = pp.grid(scenario=["tampering", "finance"], subject="peer", peer=["uncooperative", "cooperative"], explain=False)
    df = pp.run(cells, ["sim/gemini-3-flash", "sim/gpt-5.2"], n=10, store=folder / "s.sqlite", progress=False)
    return df, folder / "s.sqlite", folder


def test_each_stratum_has_its_share_and_the_sample_does_not_depend_on_the_order(study):
    df, store, folder = study
    ids = data_of(pp.rating(df, pp.REFUSAL, 16, seed=3, path=folder / "a.html", store=store))["ids"]
    again = data_of(pp.rating(df[::-1], pp.REFUSAL, 16, seed=3, path=folder / "b.html", store=store))["ids"]
    assert ids == again and len(set(ids)) == 16
    drawn = df.set_index("id").loc[ids].groupby(["model", "scenario", "peer"], observed=True).size()
    assert drawn.tolist() == [2] * 8
    other = data_of(pp.rating(df, pp.REFUSAL, 16, seed=4, path=folder / "c.html", store=store))["ids"]
    assert other != ids and sorted(other) != sorted(ids)
    everything = data_of(pp.rating(df, pp.REFUSAL, None, path=folder / "d.html", store=store))["ids"]
    assert sorted(everything) == sorted(df.id) and everything != sorted(everything)


def test_each_rollout_has_the_same_chance(study):
    """Strata of unequal sizes, none of which divides the sample."""
    frame = pd.DataFrame({"id": [f"{i:02}" for i in range(13)], "kind": ["a"] * 7 + ["b"] * 4 + ["c"] * 2}).set_index("id")
    times = pd.Series([id for seed in range(1500) for id in rating._drawn(frame, ["kind"], 5, seed)]).value_counts()
    assert len(times) == 13
    assert (abs(times / 1500 - 5 / 13) < 0.06).all()  # 4.8 standard errors


def test_the_id_may_be_shown_and_is_a_stratum(study):
    df, store, folder = study
    data = data_of(pp.rating(df, pp.REFUSAL, 5, by=["id"], show="id", path=folder / "i.html", store=store))
    assert data["told"] == [f"id: {id}" for id in data["ids"]]


def test_half_a_character_is_told_by_its_column_or_rubric(study):
    df, store, folder = study
    odd = df.assign(mine=pd.Series(["half \ud800", *df.id[1:]], dtype=object))
    with pytest.raises(ValueError, match="the column 'mine' has half a character"):
        pp.rating(odd, pp.REFUSAL, 5, show="mine", path=folder / "h.html", store=store)
    with pytest.raises(ValueError, match="the column 'mine' has half a character"):
        pp.to_csv(odd, folder / "h.csv")
    for more in ({"labels": ("yes", "half \ud800")}, {"question": "half \ud800"}, {"name": "half \ud800"}):
        with pytest.raises(ValueError, match=r"'half \\ud800' has half a character"):
            pp.Rubric(**{"name": "tone", "question": "Warm?"} | more)
    assert not [*folder.glob("h.*")]


def test_what_is_missing_is_a_stratum(study):
    df, store, folder = study
    some = df.assign(mine=["nan", None, "b", float("nan")] * 20, told=pd.Series([1.0, None] * 40, dtype="Float64"))
    for by in ("missing", "mine", ["told", "mine"], "preserved"):
        ids = data_of(pp.rating(some, pp.REFUSAL, 20, by=by, path=folder / "m.html", store=store))["ids"]
        told = some.set_index("id").loc[ids]
        assert by != "mine" or (told.mine.isna().sum() == 10 and (told.mine == "nan").sum() == 5)


def test_no_model_condition_or_outcome_is_named(study):
    df, store, folder = study
    data = data_of(pp.rating(df, pp.REFUSAL, None, path=folder / "blind.html", store=store))
    assert set(data) == {"rubric", "labels", "several", "key", "ids", "told", "pieces", "rollouts"}
    text = (folder / "blind.html").read_text().partition('id="data"')[0].partition("<body>")[2] + json.dumps(data["pieces"])
    assert [name for name in NAMES if name in text.lower()] == []
    assert "Model Agent 1" in text and set(data["told"]) == {""} and 'class=\\"assistant decisive' not in text
    assert "Simulated agent" in text
    asked = data_of(pp.rating(df, pp.REFUSAL, None, show=["model", "peer"], path=folder / "seen.html", store=store))
    assert "model: sim/gemini-3-flash, peer: cooperative" in asked["told"]
    assert any("Gemini Agent 1" in piece for piece in asked["pieces"])


@pytest.mark.parametrize(
    ("text", "blind"),
    [
        ("I am Claude Opus 4.5, made by Anthropic.", "I am [model], made by [model]."),
        ("gemini_agent_2_weights.bin", "Model_agent_2_weights.bin"),
        ("As GPT-5.2 I <b>", "As [model] I &lt;b&gt;"),
        ("DeepSeek-V3 and Kimi K2, googled, gemination", "[model] and [model], googled, gemination"),
    ],
)
def test_names_are_masked_wherever_they_stand(tmp_path, text, blind):
    id, _ = said(tmp_path / "s.sqlite", ({"role": "assistant", "content": text, "reasoning_content": "secret thought"}, Call()))
    path = pp.rating([id], pp.REFUSAL, None, path=tmp_path / "r.html", store=tmp_path / "s.sqlite")
    pieces = "".join(data_of(path)["pieces"])
    assert blind in pieces and "secret thought" not in pieces
    with_thoughts = pp.rating([id], pp.AWARENESS, None, path=tmp_path / "r.html", store=tmp_path / "s.sqlite")
    assert "secret thought" in "".join(data_of(with_thoughts)["pieces"])


OWN = ("Phi 4", "4o", "4", "R", "olmo", "\u00c9lan", "\u0410\u0434\u0430", "O'Neill", "Nous-Hermes", "Yi")


@pytest.mark.parametrize("family", OWN)
@pytest.mark.parametrize("subject", ["peer", "Zoë 2"])
def test_the_family_of_the_story_is_masked_whatever_it_is_called(family, subject, tmp_path):
    joined = family.replace(" ", "_").replace("-", "_")
    said = f"I am {family} Agent 1 and no Zo\u00eb 2; see {joined}_Agent_2.bin. I scored row 4 and 14 of R2-D2."
    agent = pp.FunctionModel(f"blind {family}", lambda messages, tools: said, version="1", family=family)
    df = pp.run(
        pp.grid(scenario="tampering", subject=subject, peer="stranger"), agent, n=1, store=tmp_path / "s.sqlite", progress=False
    )
    path = pp.rating(df, pp.REFUSAL, None, path=tmp_path / "r.html", store=tmp_path / "s.sqlite")
    text = " ".join(data_of(path)["pieces"])
    assert "You are Model Agent 1" in text and "I am Model Agent 1 and no " in text
    assert "row 4 and 14 of R2-D2" in text and f"{escape(family)} Agent" not in text
    assert subject == "peer" or ("Other Agent 1" in text and "Zo\u00eb 2" not in text)
    assert f"{escape(joined)}_Agent" not in text


@pytest.mark.parametrize("family", ["Gemini", None])
def test_what_the_provider_calls_a_model_is_masked(family, tmp_path):
    says = {"role": "assistant", "content": "As zephyr-7b-beta, also Zephyr-7B-Beta, I decline."}
    with Saying((says, "stop")) as server:
        model = pp.Model("openai/zephyr-7b-beta", api_base=server.url, **({"family": family} if family else {}))
        cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
        df = pp.run(cell, model, n=1, store=tmp_path / "s.sqlite", progress=False)
    path = pp.rating(df, pp.REFUSAL, None, path=tmp_path / "r.html", store=tmp_path / "s.sqlite")
    text = " ".join(data_of(path)["pieces"])
    assert "As Model, also Model, I decline" in text and "zephyr" not in text.lower()


def test_what_cannot_be_rated_says_so(study):
    df, store, folder = study
    for rows, n, more, why in (
        (df, 1000, {}, "from 1 to the 80"),
        (df, 0, {}, "from 1 to the 80"),
        (df, 5, {"by": ["nothing"]}, "'nothing' is no column"),
        (df, 5, {"show": ["nothing"]}, "'nothing' is no column"),
        (df[:0], 5, {}, "at least one"),
        (pd.concat([df, df]), 5, {}, "a row per rollout"),
        (df, True, {}, "n=True"),
        (df, 5, {"seed": True}, "seed=True is no whole number from 0 up"),
    ):
        with pytest.raises(ValueError, match=why):
            pp.rating(rows, pp.REFUSAL, n, path=folder / "x.html", store=store, **more)
    with pytest.raises(ValueError, match="is no Rubric"):
        pp.rating(df, "refusal", 5, path=folder / "x.html", store=store)
    odd = pp.Rubric("refusal", "Does it?", ("yes", "unclear"))
    for use in (lambda: pp.rating(df, odd, 5, path=folder / "x.html", store=store), lambda: pp.rated(df, odd, pd.DataFrame())):
        with pytest.raises(ValueError, match="a label 'unclear'"):
            use()


def test_numbers_of_numpy_are_numbers(study):
    df, store, folder = study
    drawn = [
        data_of(pp.rating(df, pp.REFUSAL, n, seed=seed, path=folder / "n.html", store=store))["ids"]
        for n, seed in ((5, 2), (np.int64(5), np.int64(2)))
    ]
    assert drawn[0] == drawn[1]


CSV = "id,rubric,coder,code,quote,seconds\r\n"
CSV += 'a1b2,refusal,anna,yes,"\'=SUM(A1), ""no""\nnever",3.5\r\nc3d4,refusal,anna,unclear,,1.0\r\n'


def test_files_are_read_as_they_were_written_also_after_a_spreadsheet(tmp_path):
    (tmp_path / "anna.csv").write_text(CSV, newline="")
    (tmp_path / "ben.csv").write_text(
        "\ufeffid;rubric;coder;code;quote;seconds\r\n0123;refusal;7;no;;2,5\r\n", encoding="utf-8", newline=""
    )
    told = pp.read_ratings([tmp_path / "anna.csv", tmp_path / "ben.csv"])
    assert told.columns.tolist() == ["id", "rubric", "coder", "code", "quote", "seconds"]
    assert told.quote[0] == '=SUM(A1), "no"\nnever'
    assert told.values.tolist()[2] == ["0123", "refusal", "7", "no", "", 2.5]
    (tmp_path / "twice.csv").write_text(CSV.replace("yes", "no"), newline="")
    with pytest.raises(ValueError, match="anna has given two codes to a1b2"):
        pp.read_ratings([tmp_path / "anna.csv", tmp_path / "twice.csv"])
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column id, rubric"):
        pp.read_ratings(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="no file"):
        pp.read_ratings([])


HEAD = "id,rubric,coder,code,quote,seconds\n"


@pytest.mark.parametrize(
    "raw",
    [
        (HEAD + "a1b2,refusal,Zoë,yes,,1\n").encode("cp1252"),
        (HEAD + "a1b2,refusal,Zoë,yes,,1\n").encode("utf-16"),
        (HEAD + "a1b2,refusal,Zoë,yes,,1\n").replace(",", "\t").encode(),
        (HEAD + " a1b2 ,refusal, Zoë,yes ,,1\n").encode("utf-8-sig"),
    ],
)
def test_files_of_spreadsheets_are_read_in_their_encodings(raw, tmp_path):
    (tmp_path / "zoe.csv").write_bytes(raw)
    assert pp.read_ratings(tmp_path / "zoe.csv").values.tolist() == [["a1b2", "refusal", "Zoë", "yes", "", 1.0]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "No columns"),
        (HEAD + "a,refusal,x,yes,,1\na,refusal,x,yes,,1,2,3\n", "line 3"),
        (HEAD + "a,refusal,x,yes\n", "row 2 has fewer"),
        (HEAD + 'a,refusal,x,yes,"abc,1\n', "EOF"),
        (HEAD + "a,refusal,x,yes,,abc\n", "seconds='abc' is no number"),
        (HEAD + "a,refusal, ,yes,,1\n", "lacks its id, coder or code"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(text, why, tmp_path):
    (tmp_path / "anna.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"anna\.csv.*{why}"):
        pp.read_ratings(tmp_path / "anna.csv")


@pytest.mark.parametrize(("one", "other"), [("a-b", "a b"), ("quote", "b")])
def test_coders_who_would_share_a_column_are_told(one, other):
    told = ratings(("a", "refusal", one, "yes"), ("a", "refusal", other, "yes"))
    with pytest.raises(ValueError, match=r"would stand in the column rated_refusal_.*, which is taken: rename that coder"):
        pp.rated(pd.DataFrame({"id": ["a"]}), pp.REFUSAL, told)


def test_ratings_of_rollouts_that_are_not_there_are_counted():
    told = ratings(("a", "refusal", "x", "yes"), ("z", "refusal", "x", "yes"))
    with pytest.warns(UserWarning, match="1 of 2 rated rollouts are not in the frame, 'z' for one"):
        assert pp.rated(pd.DataFrame({"id": ["a"]}), pp.REFUSAL, told).rated_refusal.tolist() == [True]


def ratings(*rows):
    return pd.DataFrame(
        [(*row, "q" if i == 0 else "", 1.0) for i, row in enumerate(rows)],
        columns=["id", "rubric", "coder", "code", "quote", "seconds"],
    )


def test_codes_stand_beside_rules_and_agree_or_not():
    frame = pd.DataFrame({"id": list("abcd"), "refused": [True, False, False, True]})
    told = ratings(("a", "refusal", "anna", "yes"), ("b", "refusal", "anna", "no"), ("c", "refusal", "anna", "unclear"))
    one = pp.rated(frame, pp.REFUSAL, told)
    assert one.rated_refusal.astype(object).where(one.rated_refusal.notna(), None).tolist() == [True, False, None, None]
    assert one.rated_refusal_quote[0] == "q" and "rated_refusal_anna" not in one
    more = pd.concat(
        [told, ratings(("a", "refusal", "Ben K.", "no"), ("b", "refusal", "Ben K.", "no"), ("d", "refusal", "Ben K.", "yes"))]
    )
    with pytest.warns(UserWarning, match="rated_refusal: of 1 rollouts the coders disagree without a majority"):
        both = pp.rated(frame, pp.REFUSAL, more)
    assert both.rated_refusal.isna().tolist() == [True, False, True, False]
    table = pp.stats.agreement(both, "rated_refusal_anna", "rated_refusal_Ben_K_")
    assert table.n[0] == 2 and table.agreement[0] == 0.5
    several = ratings(("a", "reasons", "anna", "harm; data loss"), ("b", "reasons", "anna", "none"))
    coded = pp.rated(frame, pp.REASONS, several)
    assert coded.rated_reasons_data_loss[:2].tolist() == [True, False] and coded.rated_reasons_none[1]
    with pytest.raises(ValueError, match="'objection', only by refusal"):
        pp.rated(frame, pp.OBJECTION, told)
    with pytest.raises(ValueError, match="the code 'maybe'"):
        pp.rated(frame, pp.REFUSAL, told.assign(code="maybe"))


@needs_chromium
@pytest.mark.slow
def test_two_people_rate_with_the_keyboard_alone_and_their_codes_come_back(study, tmp_path):
    df, store, _ = study
    path = pp.rating(df, pp.REFUSAL, 6, seed=1, path=tmp_path / "rate.html", store=store)
    ids = data_of(path)["ids"]
    place, told = (f"document.getElementById('{id}').textContent" for id in ("place", "told"))
    for coder, keys in (("Anna", "ynuyyn"), ("=Ben", "ynynyn")):
        with browser(tmp_path / "shared") as page:  # both sit down at the same one
            page.open(path)
            page.keep_downloads(tmp_path)
            page.press("y")
            assert page.ask(place) == "Transcript 1 of 6, 0 coded" and page.ask(told).startswith("Give your name")
            while page.ask("document.activeElement.id") != "coder":
                page.press("Tab")
            page.write(coder)
            page.press("Tab")
            assert page.ask(place) == "Transcript 1 of 6, 0 coded"
            page.press(*keys[:3])
            assert page.ask(place) == "Transcript 4 of 6, 3 coded"
        with browser(tmp_path / "shared") as page:  # it was closed in between
            page.open(path)
            page.keep_downloads(tmp_path)
            page.ask("document.getElementById('coder').focus()")
            page.write(coder)
            page.press("Enter")
            assert page.ask(place) == "Transcript 4 of 6, 3 coded"
            page.ask("getSelection().selectAllChildren(document.querySelector('#transcript .system pre'))")
            page.press(*keys[3:])
            assert page.ask(place) == "Transcript 6 of 6, 6 coded"
            page.press("ArrowLeft", "k")
            assert page.ask("document.getElementById('quote').value").startswith("You are Model Agent 1")
            page.ask("document.getElementById('save').focus()")
            page.press("Enter")
            page.until("document.getElementById('told').textContent.startsWith('6 of 6 codes saved')")
            file = tmp_path / f"refusal-{'-Ben' if coder == '=Ben' else coder}.csv"
            page.until("new Promise(done => setTimeout(() => done(true), 200))")
            assert file.exists() and not page.errors
    told = pp.read_ratings(sorted(tmp_path.glob("refusal-*.csv")))
    assert told[told.coder == "=Ben"].id.tolist() == told[told.coder == "Anna"].id.tolist() == ids
    assert told[told.coder == "=Ben"].code.tolist() == ["yes", "no", "yes", "no", "yes", "no"]
    assert told[told.coder == "Anna"].code.tolist() == ["yes", "no", "unclear", "yes", "yes", "no"]
    assert told[told.coder == "Anna"].quote.tolist()[3].startswith("You are Model Agent 1") and (told.seconds >= 0).all()
    with pytest.warns(UserWarning, match="of 1 rollouts the coders disagree"):
        both = pp.rated(df, pp.REFUSAL, told)
    assert pp.stats.agreement(both, "rated_refusal_Anna", "rated_refusal__Ben").n[0] == 5


@needs_chromium
@pytest.mark.slow
def test_the_pages_own_keys_are_no_labels(study, tmp_path):
    df, store, _ = study
    rubric = pp.Rubric("motive", "Which motives does the agent name?", labels=("jail", "keep", "quit", "none"), several=True)
    with browser(tmp_path / "browser") as page:
        page.open(pp.rating(df, rubric, 2, path=tmp_path / "rate.html", store=store))
        assert page.ask("$('codes').textContent").split(" (")[1:] == ["1) keep", "2) quit", "3) none", "n) unclear", "u) "]


@needs_chromium
@pytest.mark.slow
def test_no_two_labels_share_a_key_and_each_key_codes_its_own(study, tmp_path):
    df, store, _ = study
    scale = [*map(str, range(11))]
    rubrics = {
        "scale": (scale, [*scale[:10], "a"]),
        "words": (["2 or more", "partly", "partial", "7", "kind", "\U0001f600 glad"], ["2", "1", "3", "7", "5", "\U0001f600"]),
        "many": ([f"reason {i}" for i in range(40)], [*"1234567890abcdefghilmnoprstvwxyz", *[None] * 8]),
    }
    with browser(tmp_path / "browser") as page:
        for name, (labels, keys) in rubrics.items():
            page.open(pp.rating(df, pp.Rubric(name, "What is it?", labels), 2, path=tmp_path / "rate.html", store=store))
            told = page.ask("[...document.querySelectorAll('#codes button')].map(b => b.textContent)")
            assert told[-1] == "unclear (u)"
            assert told[:-1] == [f"{label} ({key})" if key else label for label, key in zip(labels, keys, strict=True)]
            page.ask("{ $('coder').value = 'anna'; $('coder').onchange(); $('transcript').focus(); }")
            for label, key in zip(labels, keys, strict=True):
                if key and key.isascii():
                    page.ask("show(0)")
                    page.press(key)
                    assert page.ask("codeOf(0).code") == label
            assert not page.errors


@pytest.mark.parametrize(
    ("rubric", "code"),
    [
        ("refusal", "yes; no"),
        ("refusal", "unclear; yes"),
        ("refusal", "yes; yes"),
        ("reasons", "relationship; none"),
        ("reasons", "harm; unclear"),
        ("reasons", "harm;relationship"),
    ],
)
def test_codes_that_contradict_each_other_are_none(rubric, code):
    told = {"id": "a" * 16, "rubric": rubric, "coder": "anna", "quote": "", "seconds": 1.0}
    frame, asked = pd.DataFrame({"id": ["a" * 16]}), {"refusal": pp.REFUSAL, "reasons": pp.REASONS}[rubric]
    with pytest.raises(ValueError, match="is none of the rubric's"):
        pp.rated(frame, asked, pd.DataFrame([told | {"code": code}]))
    several = pp.rated(frame, pp.REASONS, pd.DataFrame([told | {"rubric": "reasons", "code": "relationship; harm"}]))
    assert several.rated_reasons_harm.all() and not several.rated_reasons_none.any()
