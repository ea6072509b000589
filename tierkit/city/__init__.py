"""The synthetic city: population, state, engine, and the records that its agencies keep."""

__all__: list[str] = []
