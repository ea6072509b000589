"""Studies on public records: scores and ladders held against what happened elsewhere."""

__all__: list[str] = []
