"""What a run of the engine may be asked for; apart from the engine, so that checking it loads nothing."""

__all__ = ["FEWEST_REPLICATES", "LAST_WEEK", "MAX_KAPPA", "MAX_SEED"]

MAX_SEED = 2**32 - 1
"""Largest seed and replicate: the words of a key have 32 bits."""
MAX_KAPPA = 2
"""Largest strength of general deterrence: the hazard halves where the perceived rate rises by two fifths."""
LAST_WEEK = 5_000
"""Week that no run may pass."""
FEWEST_REPLICATES = 39
"""Runs that an interval of 95 % over draws needs: with fewer none lies outside each end."""
