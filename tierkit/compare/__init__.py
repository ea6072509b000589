"""Compare policies with a baseline under the same draws, and find which uncertain parameters decide it."""

__all__: list[str] = []
