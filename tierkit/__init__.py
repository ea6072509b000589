"""Tiered supervision of enterprises by risk and credit: score, tier, simulate, explain."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("tierkit")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.1.0"
