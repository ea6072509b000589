"""Overlays: rules of higher rank that bind policies from a date on, as TOML, and checks of policies."""

__all__: list[str] = []
