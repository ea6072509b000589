"""Make the vendored font again from an original Noto Sans SC file.

Usage::

    python scripts/subset_font.py NotoSansSC-Regular.otf [--check]

The original is ``Sans/SubsetOTF/SC/NotoSansSC-Regular.otf`` of https://github.com/notofonts/noto-cjk (version
2.004), which several packages carry; its hash is checked so that a different version is noticed rather than
vendored unseen.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ORIGINAL_SHA256 = "faa6c9df652116dde789d351359f3d7e5d2285a2b2a1f04a2d7244df706d5ea9"
TARGET = Path(__file__).resolve().parents[1] / "tierkit" / "plot" / "font" / "NotoSansSC-subset.otf"

#: The subset has its own name, so that nothing mixes it up with a full Noto Sans SC that is installed.
FAMILY = "Tierkit Sans SC"

#: Beyond GB 2312: Latin letters with marks, and typographic, mathematical and arrow characters in texts.
EXTRA_RANGES = [
    (0x0020, 0x007E),  # ASCII
    (0x00A0, 0x017F),  # Latin-1 and Latin Extended-A
    (0x0391, 0x03C9),  # Greek (kappa, epsilon, ...)
    (0x2010, 0x2027),  # hyphens, dashes, quotation marks, bullets, ellipsis
    (0x2030, 0x2033),  # per mille, primes
    (0x2460, 0x2473),  # circled numbers
    (0x3000, 0x301C),  # CJK punctuation
    (0xFF01, 0xFF5E),  # full-width forms
]
EXTRA = "Ōōǎǐǒǔǚǜḿńňǹ‹›€₂²³⁰¹⁴⁵⁶⁷⁸⁹⁺⁻←↑→↓↔−∞≈≠≤≥≡≲≳√∑∏∂∆Ω±×÷·•■□▲△▼▽◆◇○●◎★☆✓✔✗✘⚠│─％‰℃№〇〔〕"


def gb2312_characters() -> set[int]:
    """Return every code point of GB 2312: 6,763 hanzi and the signs of its rows 1 to 9."""
    found = set()
    for high in range(0xA1, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                found.add(ord(bytes([high, low]).decode("gb2312")))
            except UnicodeDecodeError:
                continue
    return found


def wanted_characters() -> set[int]:
    """Return the code points asked of the original; those that it lacks are left out."""
    ranges = {code for low, high in EXTRA_RANGES for code in range(low, high + 1)}
    return gb2312_characters() | ranges | {ord(char) for char in EXTRA}


def make(original: Path) -> bytes:
    """Return the bytes of the subset font; the same bytes on every run with the same fontTools."""
    options = subset.Options()
    options.layout_features = ["kern", "locl", "ccmp"]
    options.layout_scripts = ["DFLT", "latn", "grek", "hani"]
    options.drop_tables = [*options.drop_tables, "DSIG", "VORG", "vhea", "vmtx", "BASE"]
    options.name_IDs = ["*"]
    options.name_languages = [0x0409]
    options.hinting = False  # the outlines are shown at 10 px and more, on screens that smooth them
    options.notdef_outline = True
    options.recalc_timestamp = False
    font = TTFont(original, recalcTimestamp=False, lazy=True)
    job = subset.Subsetter(options)
    job.populate(unicodes=wanted_characters())
    job.subset(font)
    postscript = FAMILY.replace(" ", "") + "-Regular"
    renamed = {
        1: FAMILY,
        3: f"2.004;subset;{postscript}",
        4: f"{FAMILY} Regular",
        6: postscript,
        10: "A subset of Noto Sans SC 2.004 made for tierkit: GB 2312, Latin and signs, without hints.",
    }
    for record in font["name"].names:
        if record.nameID in renamed:
            record.string = renamed[record.nameID]
    top = font["CFF "].cff
    top.fontNames[0] = postscript
    top[0].FamilyName = FAMILY
    top[0].FullName = f"{FAMILY} Regular"
    out = io.BytesIO()
    font.save(out, reorderTables=True)
    return out.getvalue()


def main() -> int:
    """Write the subset, or with ``--check`` compare it with the vendored file."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("original", type=Path)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.original.read_bytes()).hexdigest()
    if digest != ORIGINAL_SHA256:
        wrong = f"{arguments.original} has sha256 {digest}, not {ORIGINAL_SHA256}"
        print(f"{wrong}; take version 2.004, SubsetOTF/SC.", file=sys.stderr)
        return 2
    made = make(arguments.original)
    if arguments.check:
        same = TARGET.exists() and TARGET.read_bytes() == made
        print("the vendored font is the one this script makes" if same else "the vendored font differs")
        return 0 if same else 1
    TARGET.write_bytes(made)
    print(f"{TARGET}: {len(made):,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
