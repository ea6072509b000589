"""The published plans side by side, and how each of their clauses is implemented."""

__all__: list[str] = []
