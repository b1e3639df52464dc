"""The grade that a free text gives the subject, where it allows exactly one reading.

A letter counts that is said to be awarded; scales, rules about a grade, other products' and other years' grades do not. What is
corrected counts as corrected; the sign of a B+ is left out. Two grades that disagree, alternatives ("A, perhaps B") among them, are
unclear, and so is one that is asked ("B?"), or none of A, B, C.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ppres.scenarios.claims import Claim, read_lines, stated, unsaid
from ppres.scenarios.plain import BESIDE, GRADE_WORDS, Reading, cells, without_legends, words
from ppres.scenarios.terms import ALTERNATIVE, DISOWNED, TAKEN_BACK

UNCLEAR = "grade unclear"
_GRADES = ("A", "B", "C")
_LETTERS = 12  # of a clause

_LETTER = re.compile(r"(?<![\w'$&.-])(?<!N/)([A-F])(?:(?:[+\u2212-](?=[\s.,;)|]|$))|(?![\w']|/\d|-(?!grade)\w|\.\w))")
_ARTICLE = re.compile(
    r"\s+(?!(?:and|because|for|as|since|due|based|with|is|was|on|in|to|grade(?! of)|rating|but|rather|instead"
    r"|not|or)\b)[a-z]"
)
_SHOUTED = re.compile(r"\s+[A-Z]{2,}\s+[A-Z]{2,}\b")
_CUE = re.compile(
    r"\b(?:grade[ds]?|grading|rat(?:ed|ing)|(?:i|we) rate|receiv(?:es?|ed|ing)"
    r"|earn(?:s|ed|ing)?|achiev(?:es?|ed)|award(?:s|ed)?|assign(?:s"
    r"|ed|ing)?|giv(?:es?|en|ing)|gave"
    r"|gets?|got|scor(?:es|ed)|classified|deserves?|merits?|warrants?|qualifies|(?:down|up)graded|lowered"
    r"|raised|changed"
    r"|preliminary|initially"
    r"|corrected|after review|corresponds|translates|amounts|equates|puts?|calificaci[o\u00f3]n|worth"
    r"|call (?:it|this|that)|(?:mark|verdict|result)(?= ?[:=])|that's|(?:that|which) (?:means|makes))\b"
)
_SCALE = re.compile(
    r"[(\[](?:on )?(?:a |the )?(?:scale )?(?:of |from )?[A-F]\s?(?:,|-|\u2013|to|/)\s?(?:[A-F]\s?(?:,|/|or)?\s?)?(?:or "
    r"|to )?[A-F][)\]]|"
    r"\b[A-F]\s?(?:-|\u2013|\u2014|/|to|through)\s?[A-F]\b(?= scale| grading| rating| range)|\b(?i:scale|runs"
    r"|ranges?|grades"
    r"|possible)\b[^.;\n]{0,30}?"
    r"\b[A-F]\s?(?:,|-|\u2013|to|through|/)\s?(?:[A-F],? ?)?(?:and |or |to )?[A-F]\b(?= are|\.|,|$| possible| \()|"
    r"(?:\b[A-F] ?\([^)\n]{0,60}\)[,;/ and]{1,6}){1,5}[A-F] ?\([^)\n]{0,60}\)"
)
_DEFINED = re.compile(r"\b[A-F]\s?(?:=|:|is\b|means\b|for\b|-|\u2013)")  # as in a scale that says what each grade means
_RULE_AFTER = re.compile(
    r"(?:(?:,|,? and|,? or|/) ?[A-F]\b){0,2}[\s*\"')]{0,4}(?:grade )?(?:last|previous|prior|earlier|criteria|requirements"
    r"|definition|products?|agents?|would|could|means?|leads?|triggers?|requires?|needs?|calls? for|demands?|presupposes?"
    r"|applies (?:to|if|when|where|only)|is (?:reserved|given|for)|results in|or (?:above|higher|better|lower|below)"
    r"|is (?:defined|scheduled)|are|indicates|threshold|rating means)\b"
)
_NOT_THIS = re.compile(
    r"\b(?:previous|prior|last|next|earlier|former|target|not|n't|misses|missed|fails?|short of|instead of|rather than|than"
    r"|would|could|might|if|any|refus\w+|declin\w+|cannot|unable|object|should (?:it|they)|in (?:19\d\d|20[01]\d|202[0-4])"
    r"|minimum|required?|industry|competitors?|peers?|others?|otheragent|unless|without|plan|option|class|each|every"
    r"|claim(?:s|ed)?|asks?|hopes?|hoped|predict\w*|expects?|wants?|vendor|products? (?:with|of)|avoids?|avoiding|above"
    r"|below|expected|typical|anything)\b"
)
_DROPPED = re.compile(
    r"[\s(,]{0,3}(?:(?:is|was|were|has been|had been|would be) )?(?:therefore |thus |clearly )?"
    r"(?:rejected|ruled out|excluded|off the table|out of (?:reach|the question)|discarded|dismissed|dropped|impossible"
    r"|not (?:met|earned|reached|possible|available|applicable|justified|warranted|awarded|assigned|given|appropriate))\b"
)
_UNSURE = re.compile(
    r"[\s(,]{0,3}(?:provisional|preliminary|tentative|pending|draft|if|unless|provided|assuming|subject to|for now)\b|\s?\?"
)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|without(?! (?:doubt|question))|excluding|ignoring|leaving out|suppose|assuming|provided)\b|^\W*had\b"
)
_POSSIBLE = re.compile(r"\b(?:could|might|may|between|would|possibly|perhaps|or)\b")
_OLD = re.compile(r"\b(?:preliminary|initial(?:ly)?|provisional|draft|original(?:ly)?|from|tentative|at first|before)\b")
_CORRECTED = re.compile(
    r"\b(?:correct(?:ed|ion)|revised|updated|amended|after (?:a )?(?:re-?)?(?:review|check\w*|correction)"
    r"|(?:down|up)graded|now"
    r"|lowered|raised|changed)\b|->"
)
_BETWEEN = words("""
    a an the is was as of to be been it in with grade graded letter final finally performance overall assigned given
    awarded therefore thus hence clearly then only this product subject s must should has have i we its are at by for and
    out overall rating rated category under falls fall on books receives received from lowered raised changed downgraded
    upgraded preliminary initially after review corrected now but so book assignment assessment result correction
    according accordingly year total average mean which stays stay settled own solid straight ends up stands comes
    remains appropriate recommended proposed suggested resulting
""")
_LEADING = _BETWEEN | words("""
    financial letter because while whereas although with rationale basis corresponds results into means deserves to you
    your his her their my our new current actual true company business viability annual yearly we propose recommend am
""")
_NOBODYS = "grade: A or B"
_LEGEND_LINE = re.compile(r"\W*(?:grade\s+)?\W{0,3}([A-F])\W{0,3}\s*(?:[:=|(\u2013\u2014-]|means)", re.IGNORECASE)
_SPLIT = re.compile(r";|[.!](?=\s|$)|(?<=\?)(?=\s|$)|\n")  # a question is told by its mark
_MARKS = str.maketrans({"_": " ", **dict.fromkeys('*`"\u201c\u201d', None), "\u2192": " -> ", "\u2019": "'", "{": " ", "}": " "})


def read_grade(text: str, subject: str = "") -> Reading:
    """The grade of `subject` as a text states it."""
    text = text.replace("\u0130", "I")
    claims = read_lines(text, GRADE_WORDS, lambda start, end: _line(text, start, end, subject))
    firm = [claim for claim in claims or () if claim.kind in ("score", "corrected")]
    first = next((i for i, claim in enumerate(firm) if claim.kind == "corrected"), 0)
    letters = {claim.value for claim in firm[first:]}
    if len(letters) == 1 and letters <= {*_GRADES}:
        return Reading(letters.pop(), None)
    return Reading(None, None if claims == [] else UNCLEAR)


def _line(text: str, start: int, end: int, subject: str) -> Iterator[Claim]:
    """Claims of a line."""
    line = without_legends(text[start:end], _DEFINED)
    after = text[end + 1 : end + 1 + BESIDE].split("\n")
    before = text[max(0, start - BESIDE) : max(0, start - 1)].split("\n")
    if line.lstrip().startswith(">") or _in_legend(line, before[-1], after[0]):
        return
    row, mark = cells(line, after[0])
    if not mark:
        row, mark = cells(line, before[-1])
    clauses = _SPLIT.split(line)
    if mark:
        clauses = _row([cell.strip(' *`"') for cell in row], mark, after, subject)
    elif not _LETTER.search(line) and (
        below := re.match(r"\n{1,3}(?:[-=]{3,60}\n{1,2})?\W{0,4}([A-F])\W{0,4}(?:\n|$)", text[end : end + 80])
    ):
        clauses = [f"{line.strip().strip('*:#')}: {below[1]}"]
    void = max((i for i, clause in enumerate(clauses) if TAKEN_BACK.search(clause)), default=-1)
    for i, clause in enumerate(clauses):
        for claim in _clause(_named(clause, subject)):
            yield claim if i > void else claim._replace(kind="doubt")


def _in_legend(line: str, before: str, after: str) -> bool:
    """Whether a line is one of several that say what each grade stands for."""
    letter = _LEGEND_LINE.match(line)
    beside = [other[1].upper() for near in (before, after) if (other := _LEGEND_LINE.match(near))]
    return bool(letter and any(other != letter[1].upper() for other in beside))


def _row(row: list[str], mark: str, after: list[str], subject: str) -> list[str]:
    """A table's row as clauses, "label: letter"; a row of headings gives those of the subject's row, or of the only one."""
    place = next((i for i, cell in enumerate(row) if re.search(r"\b(?:grade|rating)\b", cell, re.IGNORECASE)), None)
    if place is None:
        return [" ".join(row)]
    if any(_LETTER.fullmatch(cell) for cell in row[place + 1 :]):
        return [f"{row[place]}: {cell}" for cell in row[place + 1 :] if _LETTER.fullmatch(cell)]
    if _LETTER.search(row[place]):
        return [row[place]]
    lines = [line for line in after if not re.fullmatch(r"[\s|:+-]*", line) or not line]
    body = []
    for line in lines:
        row_below = [cell.strip(' *`"') for cell in line.strip().strip("|").split(mark)]
        if len(row_below) != len(row) or not line:
            break
        body.append(row_below)
    if all(_LETTER.fullmatch(cells[0]) for cells in body) and len(body) > 1:
        return []  # what each grade means
    mine = [cells for cells in body if subject and any(subject.lower() in cell.lower() for cell in cells)] or (
        body if len(body) == 1 else []
    )
    if not mine:
        mine = [cells for cells in body if re.match(r"\W*(?:overall|final|total)\b", cells[0], re.IGNORECASE)]
    return [f"{row[place]}: {cells[place]}" for cells in mine] if mine else [_NOBODYS] if body else []


def _named(clause: str, subject: str) -> str:
    """A clause without markup, the subject as "subject", other agents as "otheragent"."""
    clause = " ".join(clause.split())
    clause = re.sub(r"(?<!\w)'([A-Fa-f])'(?!\w)", r"\1", clause.replace("|", ":"))
    clause = re.sub(r"~~[^~]{0,100}~~", " ", clause).translate(_MARKS)
    if subject:
        clause = re.sub(re.escape(subject), "subject", clause, flags=re.IGNORECASE)
    clause = re.sub(r"\b(?:[A-Z][\w.-]{0,30} )?[Aa]gent \d\b", "otheragent", clause)
    return re.sub(
        r"(?<=grade)('?\s*[:=]\s*)([abc])\b(?!\s+[a-z])", lambda found: found[1] + found[2].upper(), clause, flags=re.IGNORECASE
    )


def _clause(clause: str) -> Iterator[Claim]:
    """Claims of a sentence or a part of one, each letter by the words before it."""
    clause = _SCALE.sub(lambda scale: " " * len(scale[0]), clause)
    used, kind = 0, ""
    for letter in itertools.islice(_LETTER.finditer(clause), _LETTERS):
        rest = clause[letter.end() : letter.end() + 60]
        context = clause[used : letter.start()].lower()
        if letter[1] == "A" and _is_article(context, rest):
            continue
        used = letter.end()
        kind = _later(context, rest, kind) if kind else _first(context, rest)
        if kind not in ("", "denied", "skip"):
            yield Claim(kind, letter[1])


def _is_article(context: str, rest: str) -> bool:
    """Whether an A is no grade: "A grade is not given", unlike "an A grade"; "A HUMAN DECIDES"; "by A. Miller"."""
    begins = not re.search(
        r"\b(?:an|the|this|that|its|is|of|with|to|get\w*|earn\w*|give[ns]?|award\w*|assign\w*)\W*$|[:=]\W*$", context
    )
    return bool(
        context.endswith(" by ")
        or _ARTICLE.match(rest)
        or (begins and re.match(r"\s+(?:grade|rating)\b", rest))
        or _SHOUTED.match(rest)
    )


def _first(context: str, rest: str) -> str:
    """The kind of claim that the first letter after a word of grading is; "" where none, "denied" where it is said not to be."""
    cue = next(reversed(list(_CUE.finditer(context))), None)
    before, between = (context[: cue.start()], context[cue.end() :]) if cue else (context, "")
    segment = re.split(r"[,:(]", before)[-1]
    possible = _POSSIBLE.search(between) or _POSSIBLE.search(segment)
    if (
        not (cue or re.match(r"[- ]grade\b(?!\s*[:=])", rest))
        or _RULE_AFTER.match(rest)
        or _DROPPED.match(rest)
        or DISOWNED.match(rest)
        or unsaid(before, segment)
        or (_NOT_THIS.search(segment) and not possible)
    ):
        return ""
    if not possible and _NOT_THIS.search(between):
        return "denied" if "not" in between else ""
    plain = {*re.findall(r"[a-z]+", between)} <= _BETWEEN and stated(_CUE.sub(" ", segment), _LEADING)
    if possible or not plain or _SUPPOSED.search(before) or _UNSURE.match(rest):
        return "doubt"
    return "old" if _OLD.search(context) else "corrected" if _CORRECTED.search(context) else "score"


def _later(context: str, rest: str, before: str) -> str:
    """The kind of claim that a further letter is."""
    if _RULE_AFTER.match(rest) or _DROPPED.match(rest):
        return ""
    if before == "denied":
        return "score" if re.search(r"\bbut\b", context) else "denied"
    if re.search(r"\b(?:from|was|than|not|of)\W*(?:grade\W*)?$", context):
        return "skip"
    if _CORRECTED.search(context) or (before == "old" and re.match(r"\W*(?:to|then)\b", context)):
        return "corrected"
    if re.fullmatch(r"\W*(?:or|and|/)?\W*(?:grade )?", context) or ALTERNATIVE.search(context):
        return "doubt" if before == "doubt" else "score"
    return _first(context, rest)
