"""What an order of inspections is worth: what is found, and how much earlier."""

__all__: list[str] = []
