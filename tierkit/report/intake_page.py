"""The page on how raw files became a dataset: what was read, derived, not known and dropped."""

from __future__ import annotations

from typing import Any

from tierkit import texts
from tierkit.intake import Account
from tierkit.intake.reasons import reason_labels
from tierkit.records import TABLES
from tierkit.report.page import render

__all__ = ["intake_page"]


def intake_page(account: Account) -> str:
    """Return the page of an account, in both languages.

    Parameters
    ----------
    account : Account

    Examples
    --------
    >>> zero = {"inspections": 0}
    >>> rows = (zero, zero, zero, zero)
    >>> told = Account(*rows, [], [], [], {}, zero, zero, {"inspections": []}, {}, "2024-12-31")
    >>> "<!doctype html>" in intake_page(told)
    True
    """
    return render(
        "intake.html.j2",
        account=account,
        label=_label,
        column=_column,
        reason=reason_labels,
        odd=[
            {**one, "reason": one["message"], "example": next(iter(one["examples"]), "")}
            for one in account.warnings
        ],
        title={lang: texts.text("intake.title", lang) for lang in ("zh", "en")},
        total={
            key: sum(getattr(account, key).values()) for key in ("read", "taken", "rejected", "duplicates")
        },
    )


def _label(table: str) -> Any:
    return TABLES[table]


def _column(table: str, column: str) -> Any:
    """Return the label of a column, or its id where the contract has none of that name."""
    found = TABLES[table].columns.get(column) if table in TABLES else None
    return found.label if found is not None else None
