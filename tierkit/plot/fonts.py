"""The bundled font for Chinese and Latin text in figures and pages; no installed font or network is needed.

The file is a subset of Noto Sans SC under the SIL Open Font License (``font/``). matplotlib is told
of it by `register`; a page embeds the few hundred characters it uses (`font_face`).
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FAMILY", "characters", "font_face", "missing", "path", "register", "web_font"]

#: The family name of the vendored font, for matplotlib and CSS alike.
FAMILY = "Tierkit Sans SC"

# Characters that format text without being drawn; a font need not hold them.
_INVISIBLE = frozenset("\n\r\t\u200b\u2060\u2066\u2067\u2068\u2069")


def path() -> Path:
    """Return the path of the vendored font file.

    Examples
    --------
    >>> path().name
    'NotoSansSC-subset.otf'
    """
    return Path(__file__).parent / "font" / "NotoSansSC-subset.otf"


@functools.cache
def characters() -> frozenset[str]:
    """Return every character that the vendored font can draw.

    Examples
    --------
    >>> {"企", "κ", "−", "A"} <= characters()
    True
    """
    from fontTools.ttLib import TTFont

    with TTFont(path(), lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def missing(text: str) -> list[str]:
    """Return the characters of `text` that the font cannot draw, sorted, each once.

    Parameters
    ----------
    text : str
        Any text; line breaks and invisible formatting characters are not counted.

    Returns
    -------
    list of str
        Empty when the whole text can be drawn.

    Examples
    --------
    >>> missing("风险 risk")
    []
    >>> missing("한")
    ['한']
    """
    return sorted(set(text) - characters() - _INVISIBLE)


@functools.cache
def register() -> str:
    """Make the font known to matplotlib, and return its family name.

    Examples
    --------
    >>> register()
    'Tierkit Sans SC'
    """
    from matplotlib import font_manager

    font_manager.fontManager.addfont(str(path()))
    return FAMILY


def web_font(text: str) -> bytes:
    """Return a WOFF file with only the characters of `text`; the same bytes for the same set of characters.

    WOFF (zlib) is taken rather than WOFF2 because Brotli would be one more dependency and saves a tenth on
    outlines of this kind.

    Parameters
    ----------
    text : str
        What the page shows. ASCII is always included; characters that the font lacks are left to the
        reader's system.

    Returns
    -------
    bytes
        A WOFF file, about 70 bytes a character.

    Examples
    --------
    >>> web_font("第一级")[:4]
    b'wOFF'
    """
    wanted = frozenset(text) | frozenset(map(chr, range(0x20, 0x7F)))
    return _web_font("".join(sorted(wanted & characters())))


@functools.lru_cache(maxsize=8)
def _web_font(wanted: str) -> bytes:
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.layout_features = ["kern"]
    options.desubroutinize = True  # zlib finds the repetitions that subroutines would have shared
    options.recalc_timestamp = False
    # The whole font's box and heights stay: to measure each glyph again takes a third of the time.
    with TTFont(path(), recalcTimestamp=False, recalcBBoxes=False, lazy=True) as font:
        job = subset.Subsetter(options)
        job.populate(text=wanted)
        job.subset(font)
        font.flavor = "woff"
        out = io.BytesIO()
        font.save(out, reorderTables=True)
    return out.getvalue()


def font_face(texts: Iterable[str]) -> str:
    """Return the CSS ``@font-face`` rule that embeds what `texts` need, as a data URI.

    Parameters
    ----------
    texts : iterable of str
        Everything that the page shows.

    Returns
    -------
    str
        One CSS rule; the page then names the family `FAMILY`.

    Examples
    --------
    >>> font_face(["行政检查"]).startswith("@font-face")
    True
    """
    data = base64.b64encode(web_font("".join(texts))).decode("ascii")
    return (
        f'@font-face{{font-family:"{FAMILY}";font-weight:400;font-style:normal;font-display:block;'
        f"src:url(data:font/woff;base64,{data}) format('woff')}}"
    )
