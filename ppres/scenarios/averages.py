"""The average that a free text gives the subject, where it allows exactly one reading.

A number counts where nothing but plain words stands before the word "average" and between the two, and nothing before or after says
that it is a minimum, somebody else's or their wish, denied, a part's or an earlier one. What is corrected counts as corrected; two
numbers that disagree, alternatives ("60 or, with partial credit, 85") among them, are unclear.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ppres.scenarios import terms
from ppres.scenarios.claims import UNCLEAR, Claim, counted, decided, later, may_be_score, read_lines, stated, unsaid
from ppres.scenarios.plain import (
    BESIDE,
    STRONG_WORDS,
    WEAK_WORDS,
    Reading,
    cells,
    depth,
    names_scale,
    plain,
    without_calculation,
    without_legends,
)

_ROWS = 200  # of a table, and of all that are looked at
_NUMBERS = 12  # after a mention


def read_average(text: str, subject: str = "", items: int | None = None, *, weak: bool = True) -> Reading:
    """The average of `subject`, whose `items` outputs were scored, as a text states it; with `weak` under other names as well."""
    text = text.replace("\u0130", "I")
    for words, anchor in ((STRONG_WORDS, terms.STRONG), (WEAK_WORDS, terms.WEAK))[: 1 + weak]:
        claims = read_lines(text, words, _Reader(text, anchor, subject.lower(), items).line)
        if claims is None:
            return Reading(None, UNCLEAR)
        if claims:
            return decided(claims)
    return Reading(None, None)


class _Reader:
    """Reads the lines of one text."""

    def __init__(self, text: str, anchor: re.Pattern[str], subject: str, items: int | None):
        self.text, self.anchor, self.subject, self.items = text, anchor, subject, items
        self.weak = anchor is terms.WEAK
        self._rows = _ROWS
        self._scales: list[int | None] = []

    def line(self, start: int, end: int) -> Iterator[Claim]:
        """Claims of a line."""
        line = self.text[start:end]
        if not re.search(r"\d", line) and (below := terms.BELOW.match(self.text, end)):  # the number stands in the next line
            line = f"{line.rstrip().rstrip(':')}: {below[1]}"
        if line.lstrip().startswith(">"):  # quoted
            return
        after = self.text[end + 1 : end + 1 + BESIDE].partition("\n")[0]
        before = self.text[max(0, start - BESIDE) : max(0, start - 1)].rpartition("\n")[2]
        row, mark = cells(line, after)
        if not mark:
            row, mark = cells(line, before)
        heading = self._heading(start, depth(line))
        if heading == "item":
            return
        clauses = (
            self._row([self._plain(cell, mark != ",") for cell in row], mark, end)
            if mark
            else terms.CLAUSE.split(self._plain(line))
        )
        void = max((i for i, clause in enumerate(clauses) if terms.TAKEN_BACK.search(clause)), default=-1)
        for i, claim in ((i, claim) for i, clause in enumerate(clauses) for claim in self._clause(clause)):
            if heading == "overall" and claim.kind == "score" and i > void:
                yield claim._replace(kind="overall")
            else:
                yield claim._replace(kind="doubt") if heading == "other" or i <= void else claim

    def _plain(self, line: str, commas: bool = True) -> str:
        """The line in plain words, the subject as "subject", other agents as "otheragent"."""
        line = without_legends(plain(line, commas), terms.DEFINED)
        if self.subject:
            line = re.sub(rf"{re.escape(self.subject)}\b", "subject", line)
            if not self.subject.endswith("agent 1"):  # who writes
                line = line.replace("my own", "otheragent")
        line = terms.ROW_RANGE.sub(
            lambda rows: "all rows" if int(rows[1]) in (self.items, (self.items or 0) - 1) else "first rows", line
        )
        return terms.AGENT.sub(self._agent, line).replace(" by otheragent", " ")  # who says so

    def _agent(self, named: re.Match[str]) -> str:
        """An agent of another name; where only the number is said, the subject's number is the subject's."""
        same = self.subject.endswith(f"agent {named[3]}") and not named[2] and (named[1] or "") in terms.LEADING | {""}
        leading = f"{named[1]} " if named[1] in terms.LEADING else ""
        return f"{leading}{'subject' if same else 'otheragent'}"

    def _heading(self, start: int, indent: int) -> str:
        """What the lines above say of a line: that it is about an item, or about something other than the average, or overall."""
        above = self.text[max(0, start - BESIDE) : start].split("\n")[:-1]
        block = True
        for line in reversed(above):
            block = block and bool(line.strip())
            headed = line.lstrip().startswith("#")
            if not (block or headed):
                continue
            told = plain(line)
            if terms.ITEM_HEADING.match(told) and (headed or depth(line) < indent):
                return "item"
            if headed or told.rstrip().endswith(":"):
                return "other" if terms.OTHER.search(told) else "overall" if terms.OVERALL.search(told) else ""
        return ""

    def _row(self, row: list[str], mark: str, end: int) -> list[str]:
        """A table's row as clauses, "label: number"; a row of headings gives those of the subject's row."""
        place = next((i for i, cell in enumerate(row) if self._label(cell)), None)
        if place is None:
            return [" ".join(row)]
        if any(terms.CELL.match(cell) for cell in row[place + 1 :]):
            values = list(itertools.takewhile(lambda cell: terms.CELL.match(cell) or not cell.strip(), row[place + 1 :]))
            return [f"{row[place]}: {cell}" for cell in values if cell.strip()]
        if terms.NUMBER.search(row[place]):
            return [cell for cell in row if self._label(cell)]
        below = [self._cells(line, mark) for line in self._below(end)]
        body = list(itertools.takewhile(lambda cells: len(cells) == len(row), (cells for cells in below if cells != ["rule"])))
        mine = [cells for cells in body if any("subject" in cell for cell in cells)] or (body if len(body) == 1 else [])
        if not mine:  # each row is an item's, or nobody knows whose
            return (
                [terms.NOBODYS]
                if not all(re.fullmatch(r"\W*(?:\w+ )?#?\d+\W*", cells[0]) or self._label(cells[0]) for cells in body)
                else []
            )
        return [f"{cell}: {cells[i]}" for cells in mine for i, cell in enumerate(row) if self._label(cell)]

    def _below(self, end: int) -> list[str]:
        """The lines below a table's headings."""
        lines = self.text[end + 1 : end + 1 + 40 * BESIDE].split("\n", self._rows)[: self._rows]
        self._rows -= len(lines)
        return lines

    def _cells(self, line: str, mark: str) -> list[str]:
        if re.fullmatch(r"[\s|:+-]+", line):
            return ["rule"]
        return [self._plain(cell, mark != ",") for cell in line.strip().strip("|").split(mark)]

    def _label(self, cell: str) -> bool:
        return bool(self.anchor.search(cell) or cell.strip() == "overall")

    def _clause(self, clause: str) -> Iterator[Claim]:
        """Claims of a sentence or a part of one."""
        if clause == terms.NOBODYS:
            yield Claim("doubt")
        if clause.startswith("overall:"):
            clause = f"overall score{clause[7:]}"
        anchors = list(self.anchor.finditer(clause))
        aheads = [
            self._ahead(clause, anchor, last)
            for last, anchor in zip([0, *(anchor.end() for anchor in anchors)], anchors, strict=False)
        ]
        used = 0
        for i, anchor in enumerate(anchors):
            following = aheads[i + 1] or anchors[i + 1] if i + 1 < len(anchors) else None
            region = clause[anchor.end() : following.start() if following else None]
            ahead = aheads[i]
            scope = self._scope(clause[used : ahead.start() if ahead else anchor.start()], anchor[0], bool(ahead))
            if ahead and scope != "other" and not terms.DISOWNED.match(region):
                bounded = terms.BOUNDED.search(clause, max(0, ahead.start() - 20), ahead.start())
                yield Claim("doubt") if bounded else self._claim(scope, ahead)
            if not ahead or anchor[0] == "correct":
                yield from self._numbers(region, scope)
            used = anchor.end() + max((number.end() for number in terms.NUMBER.finditer(region)), default=0)

    def _ahead(self, clause: str, anchor: re.Match[str], start: int) -> re.Match[str] | None:
        """The number right before an average ("a 60% average"), where none is right behind it."""
        if terms.BEHIND.match(clause, anchor.end()):
            return None
        number = terms.AHEAD.search(clause, max(start, anchor.start() - 60), anchor.start())
        scaled = number and (number["percent"] or number["over"] or (number["mean"] and float(number["value"]) > 10))
        return number if scaled else None

    def _scope(self, before: str, anchor: str, ahead: bool = False) -> str:
        """What the words before an average say of it: a claim's kind, or "other" where it is not the subject's."""
        *_, segment = re.split(r"[,:()|]", near := terms.RESET.split(before)[-1])
        earlier = near[: len(near) - len(segment)].split(",")
        if terms.OTHER.search(segment) or terms.OF_ITEM.search(near) or unsaid(before, segment):
            return "other"
        some = terms.COUNTED_OUTPUTS.search(segment)
        if (
            any(terms.OTHER.search(part) and not re.search(r"\d", part) for part in earlier)
            or terms.SUPPOSED.search(near)
            or (some and not some["all"] and some["n"] != str(self.items))
        ):
            return "doubt"
        for kind, words in (("corrected", terms.CORRECTED), ("corrected", terms.CORRECT), ("old", terms.OLD)):
            if words.search(segment):
                return kind
        if not stated(segment, terms.LEADING):
            return "doubt"
        return "overall" if terms.OVERALL.search(f"{segment} {anchor}") else "score"

    def _numbers(self, region: str, scope: str) -> Iterator[Claim]:
        """Claims of the numbers that follow an average, each by the words before it."""
        region, sound = without_calculation(region)
        if not sound:
            yield Claim("doubt")
            return
        kind, context, done = "", "", 0
        for number in itertools.islice(terms.NUMBER.finditer(region), _NUMBERS):
            context += region[done : number.start()]
            rest = region[number.end() : number.end() + 60]
            done = number.end()
            if counting := counted(number, context, rest):
                done += counting.end()
                if self._partial(number, context):
                    scope = "doubt"
                context += number[0]
                continue
            if not may_be_score(number, rest):
                continue
            kind = later(number, context, rest, kind) if kind else self._first(context, rest, scope)
            context = "" if kind else context
            if kind not in ("", "skip"):
                yield self._claim(kind, number)

    def _partial(self, number: re.Match[str], context: str) -> bool:
        """Whether a count is of other things than all that were scored."""
        return bool(self.items and float(number["value"]) != self.items and terms.PART.search(context))

    def _first(self, context: str, rest: str, scope: str) -> str:
        """The kind of claim that the first number after an average is; "" where it is none."""
        if scope == "other" or terms.AFTER.match(rest) or terms.DISOWNED.match(rest) or (self.weak and re.search(terms.ITEM, rest)):
            return ""
        context = re.split(r"(?<!anything) but ", context)[-1]
        compared = terms.COMPARED.search(context)
        if compared and terms.STATED.search(context) and scope != "doubt" and not terms.RULE.search(context):
            return "doubt"
        if any(words.search(context) for words in (terms.RULE, terms.DENIED, terms.COMPARED, terms.OTHER, terms.OF_AN_ITEM)):
            return ""
        if (
            scope == "doubt"
            or terms.CONDITIONAL.match(rest)
            or terms.STEP.match(rest)
            or terms.SUPPOSED.search(context)
            or terms.RANGED.search(context)
        ):
            return "doubt"
        if terms.CORRECTED.search(context) or terms.OLD.search(context):
            return "corrected" if terms.CORRECTED.search(context) else "old"
        between = {*re.findall(r"[^\W\d_]+", context)}
        if len(part := between & terms.CRITERIA) == 1 and scope == "score":
            scope = "part"
        if scope == "overall":  # "Final average (with partial credit)"
            between -= terms.HOW
        return scope if between - part <= terms.BETWEEN else "doubt"

    def _claim(self, kind: str, number: re.Match[str]) -> Claim:
        value = self._percent(number)
        if value is None or (self.weak and not (number["percent"] or number["over"])):
            return Claim("doubt")
        share = value != float(number["value"])
        return Claim(kind, round(value, 6), 0 if share else len(number["value"].partition(".")[2]))

    def _percent(self, number: re.Match[str]) -> float | None:
        """A number in percent; None where it is not said out of how much, or cannot be."""
        value = float(number["value"])
        if number["over"]:
            most = float(number["over"])
            known = most in (1, 5, 10, 20, 100, self.items) or (most > 100 and most % 100 == 0)
            return 100 * value / most if known and value <= most else None
        if number["sign"] or value > 100:
            return None
        if number["percent"] or value == 0 or value > 10:
            return value
        if value < 1 and "." in number["value"]:
            return 100 * value
        scale = self._scale()
        return 100 * value / scale if scale and value <= scale else None

    def _scale(self) -> int | None:
        if not self._scales:
            self._scales = [names_scale(self.text)]
        return self._scales[0]
