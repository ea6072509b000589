"""The two models, risk and credit: training, saving, loading and monitoring."""

__all__: list[str] = []
