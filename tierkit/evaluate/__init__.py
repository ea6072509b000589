"""How sound scores, tiers and policies are, judged on records and on worlds whose truth is known."""

from tierkit.evaluate.stability import Stability, tier_stability

__all__ = [
    "Stability",
    "tier_stability",
]
