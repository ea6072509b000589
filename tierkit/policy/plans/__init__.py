"""The plans side by side, and what carries each of their clauses."""

__all__: list[str] = []
