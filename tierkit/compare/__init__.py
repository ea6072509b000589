"""Policies beside a baseline under the same draws, and which unknown numbers decide that."""

__all__: list[str] = []
