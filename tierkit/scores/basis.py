"""Where credit comes from, in words, wherever it was not fitted on records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierkit.texts import number, plain, text

__all__ = ["credit_basis"]

_LONGEST = 120


def credit_basis(about: Mapping[str, Any], lang: str) -> list[str]:
    """Return that credit comes from an expert's table and not from records, or that there is none.

    Parameters
    ----------
    about : mapping
        What a model's manifest says of credit; nothing is returned of one that was fitted on records.
    lang : {"zh", "en"}

    Examples
    --------
    >>> credit_basis({"metrics": {}}, "en"), len(credit_basis({"kind": "none"}, "en"))
    ([], 1)
    """
    kind = about.get("kind")
    if kind == "none":
        return [text("credit.none", lang)]
    if kind != "table":
        return []
    title = plain(str(about["title"][lang]), _LONGEST)
    document = plain(str(about["document"]), _LONGEST)
    said = text("credit.table", lang, title=title, date=str(about["date"]))
    by = text("credit.table.document", lang, document=document) if document else ""
    rows = {"rows": number(about["rows"]), "assumed": number(about["assumed"])}
    return [one for one in (said, by, text("credit.table.grounds", lang, **rows)) if one]
