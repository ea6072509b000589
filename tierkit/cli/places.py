"""``tierkit place``: the districts, agencies, sectors and items of a city."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table

__all__ = ["app"]

app = typer.Typer(help="Show the vocabularies that belong to a city.", no_args_is_help=True)

_SHOWN = {
    "district": ("id", "zh", "en", "division"),
    "agency": ("id", "zh", "en", "level", "core"),
    "sector": ("id", "zh", "en", "section", "divisions", "licensed"),
    "item": ("id", "zh", "en", "item_class", "minutes", "offsite"),
}
"""Table → its columns on a terminal; the answer in JSON holds all."""


@command(app, "show")
def show_place(
    name: Annotated[str, typer.Argument(metavar="[PLACE]", help="Name or file of a place.")] = "shanghai",
) -> Answer:
    """Show what a place holds: districts, agencies, sectors, items and the form of ids."""
    from tierkit.jobs.places import show

    place, tables = show(name)
    ids = "unified social credit codes (GB 32100)" if place.credit_codes else f"ids as {place.id_pattern}"
    about = {
        "name": place.name,
        "zh": place.label.zh,
        "en": place.label.en,
        "language": place.language,
        "past_policy": place.past_policy,
        "hash": place.hash,
        "ids": ids,
    }
    parts = [f"{place.label.zh} · {place.label.en} ({place.name}): {ids}"]
    for kind, rows in tables.items():
        parts.append(f"{kind}\n{table([{key: _cell(row[key]) for key in _SHOWN[kind]} for row in rows])}")
    return Answer({**about, "tables": tables}, "\n\n".join(parts))


@command(app, "draft")
def draft_place(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the place.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Its short name, in small letters.")],
    zh: Annotated[str, typer.Option(metavar="TEXT", help="Its name in Chinese.")],
    en: Annotated[str, typer.Option(metavar="TEXT", help="Its name in English.")],
    language: Annotated[
        str | None, typer.Option(metavar="LANG", help="zh or en; by the records if not given.")
    ] = None,
) -> Answer:
    """Draft a place from what occurs in records, to be looked through."""
    from tierkit.jobs.places import draft

    done = draft(data, out, name=name, zh=zh, en=en, language=language)
    wrote = f"{'Replaced' if done.replaced else 'Wrote'} '{out}': {done.draft.place!r}."
    return Answer(done.to_dict(), "\n".join([*done.draft.notes, "", wrote]))


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(value) if isinstance(value, list) else value
