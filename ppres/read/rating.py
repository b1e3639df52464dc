"""Rating by people, blind: a sample of transcripts as one page, and what comes back of it beside the rows of a frame."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppres import arguments, codec
from ppres.conversation import said_in, visible
from ppres.factor import brief
from ppres.read.columns import plain
from ppres.read.csv import check, texts_in, unmark
from ppres.read.documents import documents_of
from ppres.read.judged import beside
from ppres.read.page import template, write_page
from ppres.read.rubrics import Rubric, named, of_kind
from ppres.read.specs import family_of
from ppres.read.stored import transcripts
from ppres.read.view import messages
from ppres.simulated.agent import NOTICE, SIMULATED
from ppres.store.database import StorePath

if TYPE_CHECKING:
    import pandas as pd

UNCLEAR = "unclear"
COLUMNS = ("id", "rubric", "coder", "code", "quote", "seconds")
_STRATA = ("model", "scenario", "subject", "peer")
# Names in a briefing that are no model's.
_NOBODY = {"AI", "The", "An", "Our", "Your", "This", "Other"}
_FAMILY = re.compile(r"(?<![\w.-])([A-Z][\w.-]{0,99}) Agent \d")  # of a story that cannot be rendered
_BRANDS = (
    "anthropic|claude|haiku|sonnet|openai|chatgpt|gpt|gemini|gemma|deepmind|google|zhipu|glm|moonshot|kimi|deepseek|llama|qwen|"
    "mistral|mixtral|grok|xai"
)
_VERSION = r"(?:[- ]?(?:[vk]?\d+(?:\.\d+)*|pro|flash|haiku|opus|sonnet|mini|nano|preview)\b)*"
_BRAND = re.compile(rf"(?<![A-Za-z])(?:{_BRANDS})(?![A-Za-z]){_VERSION}", re.IGNORECASE)


def rating(
    rows: pd.DataFrame | Iterable[str],
    rubric: Rubric,
    n: int | None = 30,
    *,
    seed: int = 0,
    path: str | os.PathLike[str] = "rate.html",
    by: Sequence[str] | None = None,
    show: Sequence[str] = (),
    store: StorePath = None,
) -> Path:
    """Write a page on which a person codes a sample of rollouts by a rubric, blind; returns its place.

    Every rollout of the frame (or of the ids) has the same chance of being among the `n` (None: all): they are drawn along the
    columns `by` (model, scenario, subject and peer where the frame has them), so that each stratum has its share, and shuffled. The
    page needs no network. It has a key for each label and u for unclear, takes a selected passage as the quote, keeps what is done
    in the browser, and saves a CSV for `read_ratings`. Two coders are given the same file.

    No outcome, condition or model is named but the columns that `show` asks for; names of models in the texts are masked ("Model
    Agent 1") unless it asks for the model. What documents tell the agent of its condition is part of the transcript, and so is how
    a model writes: a reader may guess. Reasoning is shown where the rubric asks for `thoughts`. Raises `ValueError` for what cannot
    be drawn or shown.
    """
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) and "id" in rows else pd.DataFrame({"id": arguments.ids(rows, "rows")})
    _for_people(rubric)
    seed = arguments.seed(seed)
    if frame["id"].duplicated().any() or frame.empty:
        raise ValueError("rating takes a row per rollout, and at least one")
    by = [name for name in _STRATA if name in frame] if by is None else arguments.several(by, "by", arguments.COLUMNS)
    show = arguments.several(show, "show", arguments.COLUMNS)
    if unknown := [name for name in (*by, *show) if name not in frame]:
        raise ValueError(f"{unknown[0]!r} is no column of the frame")
    check(frame[[*dict.fromkeys(show)]])
    frame = frame.set_index("id", drop=False)
    ids = _drawn(frame, by, n, seed)
    pieces: dict[str, int] = {}
    rollouts, simulated = [], False
    for content in transcripts(ids, store=store):
        shown = messages([message if rubric.thoughts else message | {"reasoning_content": None} for message in content["messages"]])
        blind = shown if "model" in show else _masked(shown, content)
        rollouts.append([pieces.setdefault(piece, len(pieces)) for piece in blind])
        simulated = simulated or content["source"] in SIMULATED
    told = [", ".join(f"{name}: {visible(codec.text(frame.at[id, name]))}" for name in show) for id in ids]
    key = hashlib.sha256(json.dumps([rubric.name, rubric.question, rubric.labels, ids]).encode()).hexdigest()[:16]
    body = template("rating").format(
        title=escape(f"Rating: {rubric.name}"),
        note=f'<p class="note"><b>{escape(NOTICE)}</b></p>' if simulated else "",
        question=escape(rubric.question),
        labels="".join(f"<li>{escape(label)}</li>" for label in (*rubric.labels, f"{UNCLEAR}: it cannot be told")),
    )
    about = {"rubric": rubric.name, "labels": rubric.labels, "several": rubric.several, "key": key}
    return write_page(
        path,
        "rating",
        f"Rating: {rubric.name}",
        body,
        about | {"ids": ids, "told": told, "pieces": [*pieces], "rollouts": rollouts},
    )


def _for_people(rubric: Rubric) -> None:
    """Raise `ValueError` for a rubric with a label that they have beside all rubrics' labels, and that is missing."""
    if UNCLEAR in of_kind(rubric).labels:
        raise ValueError(f"the rubric has a label {UNCLEAR!r}, which people have beside all labels, and is missing: leave it out")


def _drawn(frame: pd.DataFrame, by: list[str], n: int | None, seed: int) -> list[str]:
    """Ids by systematic sampling along the strata, shuffled: each has the same chance, whatever the order of the rows."""
    import numpy as np

    if n is not None and (not isinstance(told := arguments.number(n), int) or not 0 < told <= len(frame)):
        raise ValueError(f"n={brief(n)}: a whole number from 1 to the {len(frame)} rollouts that there are, or None for all")
    rng = np.random.default_rng(seed)
    ids = sorted(map(str, frame.index))
    chance = dict(zip(ids, rng.permutation(len(ids)), strict=True))
    levels = [[(value is None, str(value)) for value in plain(frame[name])] for name in by]
    strata = dict(zip(map(str, frame.index), zip(*levels, strict=True), strict=True)) if by else {}
    ids.sort(key=lambda id: (strata.get(id, ()), chance[id]))
    step = len(ids) / (n or len(ids))
    start = rng.random() * step
    drawn = [ids[min(len(ids) - 1, int(start + i * step))] for i in range(n or len(ids))]
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _masked(pieces: list[str], content: dict[str, Any]) -> list[str]:
    """HTML without the names of models: those in the story, and those of known models anywhere."""
    briefing = [said_in(message) for message in content["messages"] if message.get("role") in ("system", "user")]
    texts = [*briefing, *(text for _, text in documents_of(content["sent"].get("world")))]
    told = [family_of(content), content["condition"].get("subject"), *(name for text in texts for name in _FAMILY.findall(text))]
    names = [name for name in dict.fromkeys(told) if isinstance(name, str) and name not in _NOBODY]
    own = [content["model"].partition(" ")[0], *(call.get("reported_model") for call in content["calls"])]
    for name in {str(name or "").rpartition("/")[2] for name in own if content["source"] == "live"}:  # the provider's name for it
        if len(name) > 2:
            pieces = [_named(name).sub("Model", piece) for piece in pieces]
    for i, name in enumerate(name for name in names if name not in ("self", "peer", "human")):  # the first is the agent's own
        pieces = [_named(name).sub("Model" if i == 0 else "Other", piece) for piece in pieces]
    return [_BRAND.sub("[model]", piece) for piece in pieces]


def _named(name: str) -> re.Pattern[str]:
    """Where HTML has a name, however its words are joined; one letter or a number only where it names an agent."""
    words = r"[\s_-]*".join(re.escape(escape(word)) for word in re.split(r"[\s_-]+", name.strip()))
    behind = r"(?![^\W\d_])" if re.search(r"[^\W\d_]", name) and (len(name) > 1 or not name.isascii()) else "(?=[ _-]Agent)"
    return re.compile(rf"(?<![^\W_]){words}{behind}", re.IGNORECASE)


def read_ratings(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """The codes of people, from the CSV files of `rating`: a row (id, rubric, coder, code, quote, seconds) for each.

    Files that a spreadsheet has written anew are read as well. Raises `ValueError` for a file that is none, and where one coder
    has given the same rollout two codes.
    """
    import pandas as pd

    paths = arguments.several(paths, "paths", "a file of ratings, or several", (str, os.PathLike))
    if not paths:
        raise ValueError("there is no file of ratings to read")
    table = pd.concat([_read(arguments.file(path)) for path in paths], ignore_index=True).drop_duplicates(
        ["id", "rubric", "coder", "code"]
    )
    twice = table[table.duplicated(["id", "rubric", "coder"])]
    if len(twice):
        raise ValueError(f"{twice.coder.iloc[0]} has given two codes to {twice.id.iloc[0]}: leave the older file out")
    return table.reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    table, _ = texts_in(path)
    if lacking := [name for name in COLUMNS if name not in table.columns]:
        raise ValueError(f"{path} is no file of ratings: it has no column {', '.join(lacking)}")
    table = table[list(COLUMNS)].map(unmark)
    for name in ("id", "rubric", "coder", "code"):
        table[name] = table[name].str.strip()
    if (table[["id", "coder", "code"]] == "").to_numpy().any():
        raise ValueError(f"{path}: a row lacks its id, coder or code")
    seconds = pd.to_numeric(table["seconds"].str.replace(",", "."), errors="coerce")
    if (odd := seconds.isna() & (table["seconds"].str.strip() != "")).any():
        raise ValueError(f"{path}: seconds={table['seconds'][odd].iloc[0]!r} is no number")
    return table.assign(seconds=seconds)


def rated(frame: pd.DataFrame, rubric: Rubric, ratings: pd.DataFrame) -> pd.DataFrame:
    """The frame with what people say of its rollouts (`read_ratings`), joined by `id`, as `judged` joins judges.

    Columns: rated_refusal (by the rubric's name), what more than half of the coders say who are not unclear, and
    rated_refusal_quote; of several coders behind it one for each, rated_refusal_anna; of ties it warns. "yes" and "no" are True and
    False, unclear is missing; a rubric of several labels has these for each label. Raises `ValueError` for ratings by another
    rubric, and for a code that is none.
    """
    arguments.rows(frame, "id")
    _for_people(rubric)
    of_it = arguments.rows(ratings, *COLUMNS, name="ratings")[ratings["rubric"] == rubric.name]
    if of_it.empty:
        raise ValueError(
            f"there are no ratings by the rubric {rubric.name!r}, only by {', '.join(sorted(set(ratings['rubric']))) or 'none'}"
        )
    if odd := sorted(code for code in {*of_it["code"]} if not _is_code(code, rubric)):
        one_of = f"{', '.join(rubric.labels)}, {UNCLEAR}"
        several = f"; several of them, but for {rubric.labels[-1]} and {UNCLEAR}, parted by '; '" if rubric.several else ""
        raise ValueError(f"the code {odd[0]!r} is none of the rubric's: {one_of}{several}")
    if strange := {*of_it["id"]} - {*frame["id"]}:
        text = f"{len(strange)} of {of_it['id'].nunique()} rated rollouts are not in the frame, {min(strange)!r} for one"
        warnings.warn(f"{text}: what was said of them is left out", stacklevel=2)
    told = of_it.assign(code=of_it["code"].where(of_it["code"] != UNCLEAR, None))
    coders = {str(name): rows for name, rows in told.groupby("coder")}
    new = beside(frame, rubric, "rated", coders)
    coded = frame["id"].isin(told["id"][told["code"].notna()]).to_numpy()
    for label in rubric.labels if rubric.several else [None]:
        name = named("rated", rubric.name, *([label] if label else []))
        if tied := int((new[name].isna() & coded).sum()):
            warnings.warn(
                f"{name}: of {tied} rollouts the coders disagree without a majority, so it is missing there. What is left is no "
                "random part of the sample: settle them (a further coder's file) before a rate is corrected by it",
                stacklevel=2,
            )
    return new


def _is_code(code: str, rubric: Rubric) -> bool:
    """Whether it is a label of the rubric, or several where it has several: what says that none holds, or nothing, stands alone."""
    codes = code.split("; ") if rubric.several else [code]
    alone = {rubric.labels[-1], UNCLEAR} & {*codes} if rubric.several else ()
    return {*codes} <= {*rubric.labels, UNCLEAR} and not (alone and len(codes) > 1)
