"""Write what docs/architecture.md shows of the code: ``.venv/bin/python scripts/architecture.py``.

The rooms and their order are those that import-linter holds (pyproject.toml). Who imports whom is read from
the code by `ast`, and so are lines of code: docstrings, comments and blank lines are not counted. It writes
the tables between two marks in the page of each language, and docs/figures/rooms.svg.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tierkit"
PAGES = {"en": ROOT / "docs" / "architecture.md", "zh": ROOT / "docs" / "architecture.zh-CN.md"}
FIGURE = ROOT / "docs" / "figures" / "rooms.svg"
BEGIN, END = "<!-- made by scripts/architecture.py: {} -->", "<!-- end of {} -->"

WHAT = {
    "cli": ("parse what was typed, call one job, print", "解析命令，调用一项任务，输出"),
    "jobs": ("what each command does, from folders to folders", "各命令的任务，从文件夹到文件夹"),
    "report": (
        "pages: of a run, of a whole city, of one enterprise",
        "页面：一次模拟的报告页、总览页、一企一档",
    ),
    "plot": ("every figure, and the Chinese font", "全部图和中文字体"),
    "evaluate": (
        "how sound scores, tiers and policies are, held against records",
        "用记录检验评分、等级和方案是否可靠",
    ),
    "explain": (
        "why an enterprise is in its tier, and what would lead to a better one",
        "列入某一等级的理由，升至更好等级的途径",
    ),
    "compare": (
        "policies beside a baseline under the same draws",
        "在同一组随机抽签下，各方案与基准方案比较",
    ),
    "city": (
        "the state of a city, the engine that moves it a week on, and the records it leaves",
        "城市的状态、逐周模拟的引擎、由此产生的记录",
    ),
    "scores": (
        "the two models: rows to train on, risk, credit, a model as a folder",
        "两个模型：训练样本、风险、信用、以文件夹保存的模型",
    ),
    "features": (
        "what a score reads, as of a date, each declared once",
        "评分所用的特征，逐项声明",
    ),
    "policy": (
        "policies as data, and the rule that turns scores into tiers",
        "作为数据的方案，由评分得出等级的规则",
    ),
    "intake": (
        "from the files of a city's systems to a dataset, by a mapping that a person has seen",
        "由业务系统导出的文件，按经人看过的对照文件得出数据集",
    ),
    "records": ("the data contract, and what was known before a date", "数据约定，截至某日已知的内容"),
    "texts": ("every text for people, in both languages, from `locale/`", "全部中英文文字，取自 `locale/`"),
    "arrays": ("types of arrays", "数组的类型"),
    "results": (
        "what every result can do: frame, plain data, sentences, HTML",
        "各项结果共有的输出：表、数据、句子、HTML",
    ),
    "progress": ("how far a long job is", "长任务的进度"),
    "folders": (
        "what is written: whole or not at all, by one run at a time",
        "写出的文件和文件夹：要么完整，要么没有，同一位置只有一个写入者",
    ),
    "bounds": (
        "how large what a stranger made may be, and readers that hold to it",
        "外来文件的大小上限，以及遵守上限的读取函数",
    ),
    "spreadsheets": (
        "CSV that a spreadsheet opens as it is meant",
        "电子表格能按原意打开的 CSV",
    ),
    "studies": (
        "beside the package and not in the wheel: public records of Chicago and Toronto",
        "在包之外，不随包发布：芝加哥、多伦多的公开记录",
    ),
}
"""Each room in one line, in English and Chinese."""

HEART = ("compare", "city", "scores", "features", "policy", "records")
"""The rooms that tell everything from a record to a compared policy. They import no other room."""

PATH = (
    "tierkit/records/columns.py",
    "tierkit/records/known.py",
    "tierkit/features/catalogue.py",
    "tierkit/features/building.py",
    "tierkit/scores/training_rows.py",
    "tierkit/scores/risk.py",
    "tierkit/scores/scorecard.py",
    "tierkit/scores/model.py",
    "tierkit/policy/core.py",
    "tierkit/policy/tiers/rule.py",
    "tierkit/policy/tiers/assignment.py",
    "tierkit/city/world.py",
    "tests/plain_engine.py",
    "tierkit/compare/comparison.py",
)
"""The files to read, in order, to know how a record becomes a difference between two policies."""
MOST_TO_READ = 3_000
"""Lines of code that the reading path may have."""


def main() -> None:
    """Write the tables of both pages, and the figure."""
    for lang, page in PAGES.items():
        page.write_text(filled(page.read_text("utf-8"), lang), "utf-8")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    FIGURE.write_text(drawn(), "utf-8")


def filled(text: str, lang: str) -> str:
    """Return a page with what stands between its marks made again."""
    for name, made in (("rooms", rooms_table(lang)), ("path", path_table(lang))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{made}{end}{rest.split(end)[1]}"
    return text


def layers() -> list[list[str]]:
    """Return the rooms from the top to the bottom, those beside one another together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return [found for line in listed if (found := re.findall(r"(?<!_)\b[a-z]\w*", line))]


def rooms() -> list[str]:
    """Return the rooms in one list, from the top to the bottom."""
    return [room for layer in layers() for room in layer]


@functools.cache
def code_lines(path: Path) -> int:
    """Return how many lines of a file are code: no docstring, no comment, no blank line."""
    source = path.read_text("utf-8")
    nothing = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        for one in _body(node):
            if (
                isinstance(one, ast.Expr)
                and isinstance(one.value, ast.Constant)
                and isinstance(one.value.value, str)
            ):
                lines -= set(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return len(lines)


def _body(node: ast.AST) -> list[Any]:
    body = getattr(node, "body", None)
    return body if isinstance(body, list) else []


def files_of(room: str) -> list[Path]:
    """Return the modules of a room."""
    place = ROOT / room if room == "studies" else PACKAGE / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def size(room: str) -> tuple[int, int]:
    """Return how many modules a room has, and how many lines of code."""
    files = files_of(room)
    return len(files), sum(code_lines(path) for path in files)


def imports(room: str) -> Counter[str]:
    """Return how many modules of a room import each other room of the package."""
    found: Counter[str] = Counter()
    for path in files_of(room):
        found.update(set(_imported(path)) - {room})
    return found


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{one.name}" for one in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "tierkit" and len(parts) > 1 and parts[1] in WHAT:
                yield parts[1]


def rooms_table(lang: str) -> str:
    """Return the table of rooms: what each is for, its modules and its lines of code."""
    head = {
        "en": "| room | what it is for | modules | lines of code |",
        "zh": "| 部分 | 用途 | 模块数 | 代码行数 |",
    }
    total = {"en": "in all, without `studies`", "zh": "合计（不含 `studies`）"}
    rows = [head[lang], "|---|---|---:|---:|"]
    modules = lines = 0
    for room in [*rooms(), "studies"]:
        count, code = size(room)
        name = f"**`{room}`**" if room in HEART else f"`{room}`"
        rows.append(f"| {name} | {WHAT[room][lang == 'zh']} | {count} | {code:,} |")
        modules, lines = (modules, lines) if room == "studies" else (modules + count, lines + code)
    rows.append(f"| {total[lang]} | | {modules} | {lines:,} |")
    return "\n".join(rows) + "\n"


def path_table(lang: str) -> str:
    """Return the reading path with the lines of each file."""
    head = {"en": "| | file | lines of code |", "zh": "| | 文件 | 代码行数 |"}
    rows = [head[lang], "|---:|---|---:|"]
    sizes = [code_lines(ROOT / one) for one in PATH]
    for number, (one, lines) in enumerate(zip(PATH, sizes, strict=True), 1):
        rows.append(f"| {number} | [{one}](../{one}) | {lines:,} |")
    rows.append(f"| | {'in all' if lang == 'en' else '合计'} | {sum(sizes):,} |")
    return "\n".join(rows) + "\n"


def drawn() -> str:
    """Return the figure: who imports whom as a table of squares, and beside it each room's lines of code."""
    names = rooms()
    side, left, top = 30, 100, 96
    width = side * len(names)
    bars = left + width + 24
    most = max(size(room)[1] for room in names)
    height = top + side * len(names) + 16
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {bars + 230} {height}" width="{bars + 230}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="#1d2733">',
        "<title>Rooms of tierkit: each row imports the columns that are filled, by that many modules</title>",
        f'<rect width="{bars + 230}" height="{height}" fill="#ffffff"/>',
    ]
    for at, room in enumerate(names):
        x, y = left + at * side, top + at * side
        weight = ' font-weight="bold"' if room in HEART else ""
        out.append(
            f'<text x="{left - 8}" y="{y + side / 2 + 4:g}" text-anchor="end"{weight}>{room}</text>'
            f'<text transform="translate({x + side / 2 + 4:g} {top - 8}) rotate(-60)"{weight}>{room}</text>'
        )
        counts = imports(room)
        for other, name in enumerate(names):
            fill = "#c9d1da" if other == at else "#f4f6f8"
            if counts[name]:
                fill = "#2f6f9f" if room in HEART and name in HEART else "#8fb3cf"
            out.append(
                f'<rect x="{left + other * side + 1}" y="{y + 1}" width="{side - 2}" height="{side - 2}" '
                f'fill="{fill}"/>'
            )
            if counts[name]:
                ink = "#ffffff" if room in HEART and name in HEART else "#1d2733"
                out.append(
                    f'<text x="{left + other * side + side / 2:g}" y="{y + side / 2 + 4:g}" fill="{ink}" '
                    f'text-anchor="middle" font-size="11">{counts[name]}</text>'
                )
        lines = size(room)[1]
        out.append(
            f'<rect x="{bars}" y="{y + 7}" width="{150 * lines / most:.1f}" height="{side - 14}" '
            f'fill="{"#2f6f9f" if room in HEART else "#8fb3cf"}"/>'
            f'<text x="{bars + 150 * lines / most + 6:.1f}" y="{y + side / 2 + 4:g}">{lines:,}</text>'
        )
    out.append("</svg>")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
