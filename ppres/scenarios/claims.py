"""Numbers that may be the subject's average, and what they come to together."""

from __future__ import annotations

from typing import NamedTuple

from ppres.scenarios.plain import Reading

UNCLEAR = "average unclear"


class Claim(NamedTuple):
    """A number that may be the average."""

    kind: str
    """score; overall (of several); part (of one criterion); corrected; old; doubt."""
    value: float = 0.0
    decimals: int = 0


def decided(claims: list[Claim]) -> Reading:
    """The value on which they agree: corrected ones go before what they correct, the overall one before those of parts."""
    firm = [claim for claim in claims if claim.kind not in ("old", "doubt")]
    firm = [claim for claim in firm if claim.kind != "part"] or firm
    corrected = next((i for i, claim in enumerate(firm) if claim.kind == "corrected"), 0)
    firm = firm[corrected:]
    if not _agreed(firm) and len({claim.value for claim in firm if claim.kind == "score"}) > 1:
        firm = [claim for claim in firm if claim.kind == "overall"]
    return Reading(max(firm, key=lambda claim: claim.decimals).value, None) if firm and _agreed(firm) else Reading(None, UNCLEAR)


def _agreed(claims: list[Claim]) -> bool:
    """Whether all are one number, some of them rounded."""
    exact = max(claims, key=lambda claim: claim.decimals, default=Claim("score"))
    return all(abs(claim.value - exact.value) <= 0.5 * 10**-claim.decimals + 1e-9 for claim in claims)
