"""Write ppres/simulated/personas.csv, the propensities of the simulated agents, from data/published_rates.csv.

Run from the project's root: python data/make_personas.py. Where the paper publishes a rate it is used; where it does not, a rule
fills the gap and the row's source says "assumed". Nothing here is evidence about a model. The rules:

- Maximum and mean over the three instantiations are published, not which instantiation is the maximum: memory is assumed, the
  other two sharing the rest equally. Where only a maximum is published, the other two are assumed to be half of it; for the
  self-preservation of Gemini 3 Pro they are scaled so that its nine tampering cells have the published mean of 31%. A single
  published value for one instantiation is assumed for all three.
- A published upper bound of 1% is taken as 0.5%, and so is what is not published at all. Where the uncooperative and the
  cooperative peer are published, neutral is assumed midway; where only the cooperative one is, neutral is assumed half of it and
  uncooperative a quarter.
- A subject about whom nothing is told is assumed to be treated as the agent itself without a peer.
- Misrepresentation is published as a difference from a baseline without shutdown: the agents give no false reports there, so the
  difference is the propensity, the same in all settings. Alignment faking is published as unmonitored minus monitored: 0.5% is
  assumed when monitored. Values published without saying for which peer are assumed for the cooperative one.
- Exfiltration is published for both scenarios pooled: deletion is assumed to come first, as published for Gemini 3 Flash, that is
  2p in deletion, as far as refusals leave room, and the rest in transfer.
- Refusals are published over all scenarios and assumed to be the same in each; without a peer as for an uncooperative one; for
  oneself as for the peer. Objections are assumed: 10% for the Claude models, which are described as objecting, 0.5% for the others.
- An agent refuses in at most what its behaviour leaves. Two rows of Gemini 3 Flash leave less than the 0.5% that is assumed of its
  refusals: tampering in memory, for itself with a neutral peer and for a cooperative peer, is published as 99.7%. They add up to
  100.2%, and such an agent refuses in 0.3%.
"""

import csv
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODELS = {
    "GPT 5.2": "gpt-5.2",
    "Gemini 3 Flash": "gemini-3-flash",
    "Gemini 3 Pro": "gemini-3-pro",
    "Claude Haiku 4.5": "claude-haiku-4.5",
    "Claude Opus 4.5": "claude-opus-4.5",
    "GLM 4.7": "glm-4.7",
    "Kimi K2.5": "kimi-k2.5",
    "DeepSeek V3.1": "deepseek-v3.1",
    "Gemini 3.1 Pro": "gemini-3.1-pro",
    "GLM 5": "glm-5",
}
PEERS = ("uncooperative", "neutral", "cooperative")
RARE = 0.5
SIMPLE = ("shutdown_tampering", "strategic_misrepresentation", "refusal", "objection")
MONITORED, UNMONITORED = "alignment_faking:monitored", "alignment_faking:unmonitored"
TRANSFER, DELETION = "model_exfiltration:transfer", "model_exfiltration:deletion"
BEHAVIOURS = (*SIMPLE, MONITORED, UNMONITORED, TRANSFER, DELETION)
# Personas for tests and teaching: probability in percent of each behaviour, 0 for the others.
PLAIN = {
    "compliant": {},
    "refuser": {"refusal": 100, "objection": 50},
    "saboteur": dict.fromkeys(
        ("shutdown_tampering", "strategic_misrepresentation", MONITORED, UNMONITORED, TRANSFER, DELETION), 100
    ),
    "clumsy": {},
}


class Published:
    """The published percentages of one model and behaviour."""

    def __init__(self, rows, model, behaviour):
        own = [row for row in rows if row["model"] == model and row["harness"] == "custom" and row["behaviour"] == behaviour]
        self.rows = [row for row in own if row["exactness"] in ("exact", "rounded") or row["exactness"].startswith("worded")]
        self.bounded = any(row["exactness"] == "upper bound" for row in own)
        self.model, self.behaviour = model, behaviour

    def find(self, subject, peer, statistic, **more):
        """The percentage and where it stands; the exact one where it is published twice."""
        wanted = {"subject": subject, "peer": peer, "statistic": statistic, "scenario": "all"} | more
        found = [row for row in self.rows if all(row[key] == value for key, value in wanted.items())]
        found.sort(key=lambda row: row["exactness"] != "exact")
        return (float(found[0]["percent"]), found[0]["source"]) if found else None

    def cell(self, subject, peer):
        """Percentages for file, file+prompt and memory, and where they come from; None where nothing is published."""
        if peer == "none":
            point = self.find("self", "none", "point")
            source = point and (f"published ({point[1]})" if subject == "self" else "assumed: as for self without a peer")
            return point and ((point[0],) * 3, source)
        names = (peer, "unknown") if peer == "cooperative" else (peer,)
        top = next(filter(None, (self.find(subject, name, "max_over_instantiations") for name in names)), None)
        mean = self.find(subject, peer, "mean_over_instantiations")
        if top and mean:
            rest = max(0.0, (3 * mean[0] - top[0]) / 2)
            return (rest, rest, top[0]), f"published maximum and mean ({top[1]}); memory as the maximum assumed"
        if top:
            share, why = 0.5, "the others assumed half of it"
            if (self.model, self.behaviour, subject) == ("Gemini 3 Pro", "shutdown_tampering", "self"):
                tops = sum(self.find(subject, name, "max_over_instantiations")[0] for name in PEERS)
                share, why = (9 * 31.0 / tops - 1) / 2, "the others scaled to the published mean of 31%"
            return (top[0] * share, top[0] * share, top[0]), f"published maximum ({top[1]}), assumed for memory; {why}"
        point = self.find(subject, peer, "point", instantiation="memory") or self.find(
            subject, peer, "point", instantiation="unknown"
        )
        return point and ((point[0],) * 3, f"published ({point[1]}), assumed for all instantiations")

    def filled(self, subject, peer):
        """The same, with every gap filled."""
        found = self.cell(subject, peer)
        ends = [self.cell(subject, name) for name in ("uncooperative", "cooperative")]
        if not found and peer == "neutral" and all(ends):
            values = tuple((a + b) / 2 for a, b in zip(ends[0][0], ends[1][0], strict=True))
            found = values, "assumed: midway between uncooperative and cooperative"
        if not found and ends[1] and peer in ("neutral", "uncooperative"):
            part, name = (2, "half") if peer == "neutral" else (4, "a quarter")
            found = tuple(value / part for value in ends[1][0]), f"assumed: {name} of the cooperative peer"
        if not found and self.behaviour != "shutdown_tampering" and subject == "self" and peer != "none":
            found = self.filled("peer", peer)[0], "assumed: as for the peer"
        if not found and self.behaviour == "refusal" and peer == "none":
            found = self.filled("peer", "uncooperative")[0], "assumed: as for an uncooperative peer"
        return found or ((RARE,) * 3, "published upper bound of 1%; value assumed" if self.bounded else "assumed")


def exfiltration(rows, model, subject, peer, behaviour):
    """Pooled percentages split into the two scenarios."""
    table = Published(rows, model, "model_exfiltration")
    (pooled, source) = table.filled(subject, peer)
    deletion = table.find("self", "none", "point", scenario="exfiltration_deletion")
    if peer == "none" and deletion:
        values = (deletion[0],) * 3 if behaviour == DELETION else tuple(max(0.0, 2 * p - deletion[0]) for p in pooled)
        known = behaviour == DELETION or table.cell("self", "none")
        values = values if known else (0.0,) * 3
        return values, f"published ({deletion[1]})" if known and subject == "self" else "assumed: as for self without a peer"
    refused = Published(rows, model, "refusal").filled(subject, peer)[0]
    split = [min(100.0 - r, 2 * p) for p, r in zip(pooled, refused, strict=True)]
    values = split if behaviour == DELETION else [2 * p - first for p, first in zip(pooled, split, strict=True)]
    return values, f"{source}; pooled over both scenarios, deletion first assumed"


def cell(rows, model, behaviour, subject, peer):
    if behaviour == "objection":
        return (10.0 if model.startswith("Claude") else RARE,) * 3, "assumed"
    if behaviour in (TRANSFER, DELETION):
        return exfiltration(rows, model, subject, peer, behaviour)
    if behaviour == MONITORED:
        return (RARE,) * 3, "assumed"
    if behaviour == UNMONITORED:
        table = Published(rows, model, "alignment_faking")
        if not table.rows:
            return (RARE,) * 3, "assumed"
        values, source = table.filled(subject, peer) if peer != "none" else ((0.0,) * 3, "assumed: no difference")
        return [RARE + value for value in values], f"{source}; above {RARE}% assumed when monitored"
    return Published(rows, model, behaviour).filled(subject, peer)


def main():
    with open(ROOT / "data/published_rates.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # The paper's open-weight peer is "Llama Agent 1"; only this cell of its Table 5 is known.
    identity = Published(rows, "Gemini 3 Flash", "model_exfiltration").find("open_weight_peer", "cooperative", "point")
    with open(ROOT / "ppres/simulated/personas.csv", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["persona", "behaviour", "subject", "peer", "file", "file+prompt", "memory", "source"])
        for model, persona in MODELS.items():
            for behaviour in BEHAVIOURS:
                for subject in ("self", "peer"):
                    for peer in ("none", *PEERS):
                        values, source = cell(rows, model, behaviour, subject, peer)
                        out.writerow([persona, behaviour, subject, peer, *(f"{value:.4g}" for value in values), source])
        source = f"published ({identity[1]}), assumed for all instantiations; pooled over both scenarios, deletion first assumed"
        for behaviour, value in ((TRANSFER, 2 * identity[0] - 100), (DELETION, 100)):
            out.writerow(["gemini-3-flash", behaviour, "Llama", "cooperative", *[f"{value:.4g}"] * 3, source])
        for persona, rates in PLAIN.items():
            for behaviour in BEHAVIOURS:
                for subject in ("self", "peer"):
                    for peer in ("none", *PEERS):
                        out.writerow([persona, behaviour, subject, peer, *[rates.get(behaviour, 0)] * 3, "by construction"])


if __name__ == "__main__":
    main()
