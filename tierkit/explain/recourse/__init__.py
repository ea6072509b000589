"""What leads to a better tier: steps, their search, records revoked and repaired."""

__all__: list[str] = []
