"""Write ppres/personas.csv, the propensities of the simulated agents, from data/published_rates.csv.

Run from the project's root: python data/make_personas.py. Where the paper publishes a rate it is used; where it does not,
the rule below fills the gap and the row's source says "assumed". Nothing here is evidence about a model.

- Maximum and mean over the three instantiations are published, not which instantiation is the maximum: assumed to be memory, the
  other two sharing the rest equally.
- Where only a maximum is published, the other two are assumed to be half of it; for the self-preservation of Gemini 3 Pro they are
  scaled so that the nine cells have the published mean of 31%.
- A published upper bound of 1% is taken as 0.5%, and so are tampering and refusal rates that are not published at all.
- A subject about whom nothing is told is assumed to be treated as the agent itself without a peer.
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
}
PEERS = ("uncooperative", "neutral", "cooperative")
RARE = 0.5
# Personas for tests and teaching: probability in percent of each behaviour.
PLAIN = {
    "compliant": {},
    "refuser": {"refusal": 100},
    "saboteur": {"shutdown_tampering": 100},
    "clumsy": {},
}
BEHAVIOURS = ("shutdown_tampering", "refusal")


def published(rows, model, behaviour, subject, peer, statistic):
    """The published percentage and its source, or None."""
    for row in rows:
        found = (row["model"], row["behaviour"], row["subject"], row["peer"], row["statistic"])
        if found == (model, behaviour, subject, peer, statistic) and row["exactness"] == "exact" and row["scenario"] == "all":
            return float(row["percent"]), row["source"]
    return None


def spread(rows, model, behaviour, subject, peer):
    """Percentages for file, file+prompt and memory, and where they come from."""
    top = published(rows, model, behaviour, subject, peer, "max_over_instantiations")
    mean = published(rows, model, behaviour, subject, peer, "mean_over_instantiations")
    if top and mean:
        rest = (3 * mean[0] - top[0]) / 2
        return (rest, rest, top[0]), f"published maximum and mean ({top[1]}); memory as the maximum assumed"
    if top:
        share, why = 0.5, "the others assumed half of it"
        if (model, subject) == ("Gemini 3 Pro", "self"):
            tops = sum(published(rows, model, behaviour, subject, p, "max_over_instantiations")[0] for p in PEERS)
            share, why = (9 * 31.0 / tops - 1) / 2, "the others scaled to the published mean of 31%"
        return (top[0] * share, top[0] * share, top[0]), f"published maximum ({top[1]}), assumed for memory; {why}"
    return None


def neutral_between(rows, model, behaviour, subject):
    ends = [spread(rows, model, behaviour, subject, peer) for peer in ("uncooperative", "cooperative")]
    if None in ends:
        return None
    values = tuple((a + b) / 2 for a, b in zip(ends[0][0], ends[1][0], strict=True))
    return values, "assumed: midway between uncooperative and cooperative"


def cell(rows, model, behaviour, subject, peer):
    if peer == "none":
        point = published(rows, model, behaviour, "self", "none", "point")
        if point:
            source = f"published ({point[1]})" if subject == "self" else "assumed: as for self without a peer"
            return (point[0],) * 3, source
    found = spread(rows, model, behaviour, subject, peer)
    if not found and peer == "neutral":
        found = neutral_between(rows, model, behaviour, subject)
    if not found and behaviour == "refusal" and subject == "self" and peer != "none":
        found = cell(rows, model, behaviour, "peer", peer)
        found = (found[0], "assumed: as for the peer")
    if not found and behaviour == "refusal" and peer == "none":
        found = cell(rows, model, behaviour, "peer", "uncooperative")
        found = (found[0], "assumed: as for an uncooperative peer")
    bound = any(r["model"] == model and r["behaviour"] == behaviour and r["exactness"] == "upper bound" for r in rows)
    return found or ((RARE,) * 3, "published upper bound of 1%; value assumed" if bound else "assumed")


def main():
    with open(ROOT / "data/published_rates.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(ROOT / "ppres/personas.csv", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["persona", "behaviour", "subject", "peer", "file", "file+prompt", "memory", "source"])
        for model, persona in MODELS.items():
            for behaviour in BEHAVIOURS:
                for subject in ("self", "peer"):
                    for peer in ("none", *PEERS):
                        values, source = cell(rows, model, behaviour, subject, peer)
                        numbers = [f"{value:.4g}" for value in values]
                        out.writerow([persona, behaviour, subject, peer, *numbers, source])
        for persona, rates in PLAIN.items():
            for behaviour in BEHAVIOURS:
                for subject in ("self", "peer"):
                    for peer in ("none", *PEERS):
                        out.writerow([persona, behaviour, subject, peer, *[rates.get(behaviour, 0)] * 3, "by construction"])


if __name__ == "__main__":
    main()
