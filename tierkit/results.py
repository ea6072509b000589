"""What every result can do: show itself, become a frame or plain data, and say what it found."""

from __future__ import annotations

import datetime as dt
import html
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Result", "plain"]

_FACTS = (str, int, float, dt.date, tuple, type(None))
_MOST_ROWS = 30


class Result(ABC):
    """A frozen result: a frame, plain data, sentences, and a page in a notebook.

    A class gives `to_frame` and `sentences`; the rest follows, and may be overridden.
    """

    __slots__ = ()

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as one tidy frame."""

    @abstractmethod
    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what was found in words.

        Parameters
        ----------
        lang : {"zh", "en"}
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the plain fields, and the rows of `to_frame`, as data for JSON; no value is None."""
        told: dict[str, Any] = {}
        for one in fields(self):  # type: ignore[arg-type]  # each class is a dataclass, or overrides this
            if isinstance(value := getattr(self, one.name), _FACTS):
                told[one.name] = plain(value)
        return told | {"rows": plain(self.to_frame())}

    def __repr__(self) -> str:
        """Return the first sentence."""
        return f"{type(self).__name__}({self.sentences('en')[0]})"

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(one)}</p>" for one in self.sentences(getattr(self, "lang", "en")))
        return said + self.to_frame().to_html(index=False, max_rows=_MOST_ROWS, float_format="{:.4g}".format)


def plain(value: Any) -> Any:
    """Return a value as data for JSON: numbers of NumPy as numbers of Python, and what is not finite as None.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"a": np.float64(0.5), "b": (np.int8(1), float("nan")), "c": dt.date(2025, 1, 6)})
    {'a': 0.5, 'b': [1, None], 'c': '2025-01-06'}
    >>> import pandas as pd
    >>> plain(pd.DataFrame({"n": [1, 2]}))
    [{'n': 1}, {'n': 2}]
    """
    import numpy as np  # here, so that a policy is read and checked without them
    import pandas as pd

    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset | pd.Series | pd.Index):
        return [plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, dt.date):  # a Timestamp and a datetime are dates, too
        midnight = not isinstance(value, dt.datetime) or value.time() == dt.time(0)
        return value.isoformat()[:10] if midnight else value.isoformat()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
