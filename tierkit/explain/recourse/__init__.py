"""Recourse: steps to a better tier and their search, and the effect of revoked and repaired records."""

__all__: list[str] = []
