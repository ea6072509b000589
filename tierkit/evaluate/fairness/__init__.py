"""Whether groups of equal risk are inspected alike."""

__all__: list[str] = []
