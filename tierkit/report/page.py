"""Self-contained HTML pages in one or both languages, with the font embedded and no external requests."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from markupsafe import Markup, escape
from matplotlib.axes import Axes

from tierkit import plot, texts
from tierkit.plot import fonts
from tierkit.records import SHANGHAI, TABLES, Place

__all__ = ["Words", "figure", "render", "svg"]

_TEMPLATES = Path(__file__).parent / "templates"
_TAGS = {"zh": "zh-CN", "en": "en"}
_TOLD = ("district", "sector", "size", "ownership", "registered_on")  # at the head of a sheet
_LABEL = 60  # characters of a name that has no text of its own
_SCALE = 1.12  # figures are drawn for 8 inches of paper; a screen has room for a little more
_LONG = re.compile(r"-?\d+\.\d{4,}")
_ID = re.compile(r'\bid="([^"]+)"')
_ID_USE = re.compile(r'(url\(#|href="#)([^")]+)([")])')
_STRONG = re.compile(r"\*\*(.+?)\*\*")


class Words:
    """Texts of a page as markup: in one language, or in both with the one not chosen hidden.

    Parameters
    ----------
    lang : {"zh", "en"}, optional
        The language; both where it is not given.
    place : Place
        The place whose levels have their labels.

    Examples
    --------
    >>> str(Words("en").text("measure.harm"))
    'harm'
    >>> str(Words().text("measure.harm"))
    '<span class="zh" lang="zh-CN">危害</span><span class="en" lang="en">harm</span>'
    """

    def __init__(self, lang: str | None = None, place: Place = SHANGHAI) -> None:
        self.lang, self.place = lang, place

    def each(self, make: Callable[[str], str], tag: str = "span") -> Markup:
        """Return what `make` gives for each language, escaped; ``**x**`` becomes strong."""
        if self.lang:
            return _marked(make(self.lang))
        parts = [
            Markup('<{tag} class="{lang}" lang="{code}">{words}</{tag}>').format(
                tag=tag, lang=lang, code=code, words=_marked(make(lang))
            )
            for lang, code in _TAGS.items()
        ]
        return Markup("").join(parts)

    def text(self, text_id: str, **values: Any) -> Markup:
        """Return a text of the catalogues.

        A value that is a function is called with the language; others are shown as they are.
        """
        return self.each(lambda lang: texts.text(text_id, lang, **_spoken(values, lang)))

    def spoken(self, text_id: str) -> Callable[[str], str]:
        """Return a text as a value of another text, in that one's language."""
        return partial(texts.text, text_id)

    def level(self, kind: str, level: object) -> Markup:
        """Return the label of a level, such as a sector."""
        labels = self.place.levels[kind]
        other = texts.plain(str(level), _LABEL)
        return self.each(lambda lang: labels[str(level)].text(lang) if level in labels else other)

    def unknown(self, enterprise: Mapping[str, object]) -> Markup:
        """Return what the register does not say of an enterprise; empty where it says all."""
        columns = TABLES["enterprises"].columns
        gone = [columns[name].label for name in _TOLD if enterprise.get(name, "") is None]
        if not gone:
            return Markup("")
        return self.text(
            "dossier.unknown", what=lambda lang: texts.join([one.text(lang) for one in gone], lang)
        )

    def policy(self, name: str) -> Markup:
        """Return a policy's short name."""
        return self.each(lambda lang: plot.policy_label(name, lang))

    def pair(self, zh: str, en: str) -> Markup:
        """Return a text that is given in both languages."""
        return self.each({"zh": zh, "en": en}.__getitem__)

    def horizon(self, weeks: int, over: int) -> Markup:
        """Return which weeks a measure is of."""
        return self.each(lambda lang: plot.horizon(weeks, over, lang))

    def year(self, year: int) -> Markup:
        """Return which year of a run a measure is of."""
        return self.each(lambda lang: texts.text("horizon.in_year", lang, n=year))

    def fact(self, name: str) -> Markup:
        """Return the name of a fact or measure of a model; one without a text keeps its id."""
        return self._known(f"fact.{name}", name)

    def unit(self, unit: str) -> Markup:
        """Return a unit of the summary."""
        return self._known(f"munit.{unit}", unit)

    def _known(self, text_id: str, otherwise: str) -> Markup:
        known = text_id in texts.ids()
        return self.each(lambda lang: texts.text(text_id, lang) if known else texts.plain(otherwise, _LABEL))

    def label(self, label: Any) -> Markup:
        """Return a label that has both languages of its own."""
        return self.each(lambda lang: str(label.text(lang)))


def _spoken(values: dict[str, Any], lang: str) -> dict[str, Any]:
    return {name: value(lang) if callable(value) else value for name, value in values.items()}


def _marked(words: str) -> Markup:
    return Markup(_STRONG.sub(r"<strong>\1</strong>", str(escape(words))))


def record(value: object, limit: int | None = 120) -> Markup:
    r"""Return text from a record as markup: what is invisible shown, its direction kept from its neighbours.

    Examples
    --------
    >>> str(record("<script>\u202e"))
    '<bdi>&lt;script&gt;[U+202E]</bdi>'
    """
    return Markup("<bdi>{}</bdi>").format(texts.plain(str(value), limit))


def svg(ax: Axes, prefix: str, label: str) -> Markup:
    """Return the figure of some axes as inline SVG, and close it.

    Text stays text, in the page's own font. Ids get a prefix, so that many figures fit into one page.

    Parameters
    ----------
    ax : Axes
    prefix : str
        Unique in the page.
    label : str
        What the figure says, for people who do not see it.

    Examples
    --------
    >>> str(svg(plot.points([1.0, 2.0]), "a", "points"))[:26]
    '<svg class="figure" role="'
    """
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    out = io.StringIO()
    with plot.style():
        drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(drawn)
    width, height = drawn.get_size_inches() * 72
    body = out.getvalue()
    body = body[body.index("<svg") : body.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.S)
    body = body[body.index(">") + 1 :]
    body = re.sub(r"\s*\n\s*", " ", body)
    # matplotlib's ids hash positions to the last bit, which its layout does not repeat; three decimals do.
    body = _LONG.sub(lambda number: f"{float(number.group()):.3f}".rstrip("0").rstrip("."), body)
    ids = {old: f"{prefix}-{k}" for k, old in enumerate(dict.fromkeys(_ID.findall(body)))}
    body = _ID.sub(lambda found: f'id="{ids[found.group(1)]}"', body)
    body = _ID_USE.sub(lambda found: f"{found.group(1)}{ids[found.group(2)]}{found.group(3)}", body)
    head = Markup(
        '<svg class="figure" role="img" aria-label="{}" viewBox="0 0 {:g} {:g}" style="max-width:{:g}px;'
        'stroke-linejoin:round;stroke-linecap:butt" xmlns:xlink="http://www.w3.org/1999/xlink">'
    ).format(label, width, height, width * 96 / 72 * _SCALE)
    return head + Markup(body) + Markup("</svg>")


def figure(words: Words, name: str, draw: Callable[[str], Any], label: Callable[[str], str]) -> Markup:
    """Return a figure in the page's language, or drawn once in each.

    Parameters
    ----------
    words : Words
    name : str
        Unique in the page.
    draw : callable
        Gives axes (or an array of them) for a language.
    label : callable
        Gives the text for people who do not see the figure.
    """

    def drawn(lang: str) -> Markup:
        axes = draw(lang)
        return svg(axes if isinstance(axes, Axes) else axes.flat[0], f"{name}-{lang}", label(lang))

    shown = [words.lang] if words.lang else list(_TAGS)
    parts = [
        Markup('<div class="{}" lang="{}">{}</div>').format(lang, _TAGS[lang], drawn(lang)) for lang in shown
    ]
    return Markup('<figure id="figure-{}">{}</figure>').format(name, Markup("").join(parts))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": texts.number,
        "signed": texts.signed,
        "percent": texts.percent,
        "record": record,
    }
    environment.globals |= {"interval": texts.interval, "int": int}
    return environment


def render(
    template: str,
    *,
    lang: str | None = None,
    also: str | None = None,
    place: Place = SHANGHAI,
    **context: Any,
) -> str:
    """Return a page as one HTML text that needs no other file, no font and no network.

    Parameters
    ----------
    template : str
        Name of a template in ``tierkit/report/templates``.
    lang : {"zh", "en"}, optional
        The page's language; both, with a switch, where it is not given.
    also : str, optional
        Name of a style sheet and a script that go after those of all pages.
    place : Place
        The place whose levels have their labels.
    **context
        What the template shows.

    Returns
    -------
    str
        With a content security policy that forbids every request, and a font of just its characters.
    """
    environment = _environment()
    names = ["page", *([also] if also else [])]
    style, script = (
        Markup("\n").join(
            Markup((_TEMPLATES / f"{name}.{kind}").read_text(encoding="utf-8").strip()) for name in names
        )
        for kind in ("css", "js")
    )
    script = script if lang is None else Markup()
    digest = base64.b64encode(hashlib.sha256(str(script).encode()).digest()).decode()
    words = Words(lang, place)
    body = environment.get_template(template).render(
        words=words,
        t=words.text,
        lang=lang or "zh",
        both=lang is None,
        style=style,
        script=script,
        script_hash=digest,
        **context,
    )
    # The font rule comes last, since it depends on every character shown; a style sheet has no such text of
    # its own.
    shown = re.sub(r"<style>.*?</style>|<script>.*?</script>|<path[^>]*>", "", body, flags=re.S)
    return body.replace("/*font*/", fonts.font_face([shown]), 1)
