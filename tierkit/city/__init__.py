"""The synthetic city: who is in it, its state, its engine, and the records that its agencies keep."""

__all__: list[str] = []
