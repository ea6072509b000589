"""The two models, risk and credit: how they are trained, saved, loaded and watched."""

__all__: list[str] = []
