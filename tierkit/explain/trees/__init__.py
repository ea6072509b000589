"""Exact Shapley values of trees, path-dependent and interventional, from compiled tables."""

__all__: list[str] = []
