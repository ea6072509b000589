"""The form of what both estimators save of themselves: parameters, classes and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierkit.scores.content import (
    Form,
    count,
    either,
    flag,
    known,
    mapping,
    maybe,
    number,
    record,
    refuse,
    series,
    text,
)
from tierkit.scores.trees import MOST_FEATURES

__all__ = ["RISK", "check_learnt", "learnt"]


_MOST_LEVELS = 100_000
_INPUTS = record(
    names=series(text(), MOST_FEATURES, apart=True),
    levels=mapping(series(text(), _MOST_LEVELS, apart=True), MOST_FEATURES),
    missing=series(text(), MOST_FEATURES, apart=True),
)
_CLASS = either(number(), flag, text())


def learnt(**parameters: Form) -> dict[str, Form]:
    """Return the forms of the fields that both estimators save, by name.

    Parameters
    ----------
    **parameters : Form
        Of the parameters that the other estimator does not have.
    """
    return {
        "parameters": record(
            monotone=maybe(mapping(number(-1, 1), MOST_FEATURES)),
            on_unseen=known("flag", "error"),
            **parameters,
        ),
        "classes": series(_CLASS, 2, apart=True),
        "named": flag,
        "inputs": _INPUTS,
    }


_INT = count(0, 2**31 - 1)
RISK = record(
    format=text(),
    **learnt(
        learning_rate=number(),
        **dict.fromkeys(("min_rows", "n_leaves", "n_trees", "num_threads", "random_state"), _INT),
    ),
    calibration=mapping(either(number(), text())),
)
"""The form of what the risk model saves beside its trees."""


def check_learnt(data: Mapping[str, Any]) -> None:
    """Refuse classes and columns, of the right forms, that do not go together.

    Raises
    ------
    ContentError
    """
    classes, inputs = data["classes"], data["inputs"]
    if len(classes) != 2 or type(classes[0]) is not type(classes[1]) or not classes[0] < classes[1]:
        refuse("classes", "must be two of one type, in ascending order.")
    names = set(inputs["names"])
    if not names:
        refuse("inputs.names", "must name a column.")
    for field in ("levels", "missing"):
        if strange := [name for name in inputs[field] if name not in names]:
            refuse(f"inputs.{field}", f"tells of '{strange[0][:40]}', which 'names' does not have.")
    if not data["named"] and inputs["names"] != [f"x{j}" for j in range(len(names))]:
        refuse("inputs.names", "must be x0, x1, … where 'named' is false.")
