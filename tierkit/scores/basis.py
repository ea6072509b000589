"""Where credit comes from, in words, wherever it was not fitted on records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierkit.scores import content
from tierkit.scores.content import count, day, digest, known, record, refuse
from tierkit.texts import number, plain, text

__all__ = ["check_stated", "credit_basis"]

_LONGEST = 120
_TEXT = content.text()
_FORMS = {
    "table": record(
        kind=known("table"), title=record(zh=_TEXT, en=_TEXT), document=_TEXT, date=day, file=_TEXT,
        sha256=digest, rows=count(1), assumed=count(),
    ),
    "none": record(kind=known("none")),
}  # fmt: skip
"""What is stated of each source of credit that was not fitted on records."""


def check_stated(value: Any, place: str) -> None:
    """Refuse what `tierkit.scores.manifest.stated_credit` would not have written.

    Examples
    --------
    >>> check_stated({"kind": "none", "title": "none"}, "credit")
    Traceback (most recent call last):
    tierkit.scores.content.ContentError: credit: has the unknown key 'title'.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else None
    form = _FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        refuse(place, f"must be of the kind {' or '.join(map(repr, _FORMS))}.")
    form(value, place)


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
