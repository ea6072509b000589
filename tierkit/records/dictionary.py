"""The data dictionary, made from the declarations."""

from collections.abc import Iterable
from dataclasses import dataclass

from tierkit.records.cells import EARLIEST, LATEST
from tierkit.records.columns import KINDS, Column, Table
from tierkit.records.label import Label
from tierkit.records.places import SHANGHAI, Place
from tierkit.records.relations import relations_table
from tierkit.records.tables import tables_of

__all__ = ["data_dictionary"]


UNITS = {
    "10k CNY": Label("万元", "10k CNY"),
    "CNY": Label("元", "CNY"),
    "0 = compliant": Label("0 为合规", "0 = compliant"),
    "1 = low": Label("1 为低", "1 = low"),
    "SD": Label("标准差", "SD"),
    "code": Label("代码", "code"),
    "fixed point": Label("定点数", "fixed point"),
    "inspections/week": Label("次/周", "inspections/week"),
    "minutes": Label("分钟", "minutes"),
    "persons": Label("人", "persons"),
    "probability": Label("概率", "probability"),
    "times": Label("次", "times"),
    "week": Label("周", "week"),
}
"""Units in words; those in signs are the same in both languages."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The sentences of the dictionary in one language."""

    title: str
    intro: str
    head: tuple[str, ...]
    row: str
    optional: str
    latent: str
    always: str
    yes: str
    absent: str
    future: str
    above: str
    entries: str
    dated: str
    relations: str
    levels: str
    level_head: tuple[str, ...]
    stop: str


_WORDS = {
    "en": _Words(
        title="Data dictionary",
        intro=f"""\
A dataset is a folder with one file a table (`.parquet`, `.csv` or `.csv.gz`) and a `manifest.json` that lists
them with their SHA-256. A table may also be a folder `TABLE` or `TABLE.parquet` that holds nothing but
`.parquet` files with the same columns: its rows are theirs, in the order of their names; what begins with a
dot or an underscore is left out. This page is made from `tierkit.records`, and a test holds the two equal.

*Known from* is the date column from which a value is known. A feature as of a date uses only values whose
date lies before it; while the date is empty, the value is not known. Dates lie from {EARLIEST} to {LATEST},
and not after the `as_of` of the manifest unless the table says so. A NaN counts as an empty cell,
whatever type holds it; infinite numbers are refused.

In CSV, which is UTF-8 with a byte order mark, lists are joined by `|`, and an apostrophe stands before a text
that a spreadsheet would take for a formula or a number; reading takes it away again.""",
        head=("column", "meaning", "type", "unit and values", "known from", "may be empty"),
        row="A row is {row}; its key is {key}.",
        optional="A dataset need not have this table.",
        latent="Synthetic data only: no feature, no model and no policy but `oracle` reads it.",
        always="always",
        yes="yes",
        absent="yes, or absent",
        future="may be after `as_of`",
        above="above {low} to {high}",
        entries="entries: {levels}",
        dated="no [`event_kind`](#event_kind), which has a day and is a row of `credit_events`",
        relations="Relations",
        levels="Levels",
        level_head=("id", "English", "Chinese"),
        stop=" ",
    ),
    "zh": _Words(
        title="数据字典",
        intro=f"""\
一个数据集是一个文件夹：每张表一个文件（`.parquet`、`.csv` 或 `.csv.gz`），
另有 `manifest.json` 列出各文件及其 SHA-256。
一张表也可以是名为 `表名` 或 `表名.parquet` 的文件夹，其中只有列相同的 `.parquet` 文件；
各文件的行按文件名顺序相接，以点或下划线开头的文件不读。
本页由 `tierkit.records` 生成，并有测试保证两者一致。

“知悉日期”指该值从哪一列的日期起为人所知。某日的特征只用日期早于该日的值；日期为空，即尚不知悉。
日期须在 {EARLIEST} 至 {LATEST} 之间，除表中注明者外不得晚于 manifest 的 `as_of`。
NaN 不论以何种类型存放，均视为空；无穷大不予接受。

CSV 为带字节顺序标记的 UTF-8，列表以 `|` 相连；
会被电子表格当作公式或数字的文本，写出时前加单引号，读入时去掉。""",
        head=("列", "含义", "类型", "单位与取值", "知悉日期", "可否为空"),
        row="每行是{row}，主键为 {key}。",
        optional="数据集可以没有这张表。",
        latent="仅合成数据有此表；任何特征、模型以及 `oracle` 以外的方案都不读它。",
        always="始终",
        yes="可",
        absent="可，亦可无此列",
        future="可晚于 `as_of`",
        above="大于 {low} 至 {high}",
        entries="各项取自 {levels}",
        dated="不得写入 [`event_kind`](#event_kind)；该类信息应按日期记入 `credit_events`",
        relations="关系",
        levels="取值",
        level_head=("代码", "中文", "英文"),
        stop="",
    ),
}


def data_dictionary(lang: str = "en", place: Place = SHANGHAI) -> str:
    """Return the data dictionary as Markdown.

    Parameters
    ----------
    lang : {"en", "zh"}
        Language of everything but the ids.
    place : Place
        The place whose levels are shown.

    Returns
    -------
    str
        A page with one section a table, one for what `validate` tells of relations and one for the levels.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> print(data_dictionary("zh").splitlines()[0])
    # 数据字典
    """
    if lang not in _WORDS:
        raise ValueError(f"'lang' must be one of {', '.join(_WORDS)}. Got {lang!r} instead.")
    words = _WORDS[lang]
    lines = [f"# {words.title}", "", words.intro, ""]
    for table in tables_of(place).values():
        label = Label(table.zh, table.en).text(lang)
        plain = label.replace(" ", "_") == table.name
        lines += [f"## {table.name}" + f" · {label}" * (not plain), "", _about(table, words, lang), ""]
        lines += [*_grid(words.head, (_cells(column, words, lang) for column in table)), ""]
    lines += [f"## {words.relations}", "", relations_table(lang), ""]
    lines += [f"## {words.levels}", ""]
    for name, levels in place.levels.items():
        order = (0, 1) if lang == "zh" else (1, 0)
        rows = ((f"`{level}`", label[order[0]], label[order[1]]) for level, label in levels.items())
        lines += [f"### {name}", "", *_grid(words.level_head, rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _about(table: Table, words: _Words, lang: str) -> str:
    key = " × ".join(f"`{name}`" for name in table.key)
    sentences = [words.row.format(row=table.row.text(lang), key=key)]
    sentences += [words.optional] * (not table.required) + [words.latent] * table.latent
    return words.stop.join(sentences)


def _cells(column: Column, words: _Words, lang: str) -> tuple[str, ...]:
    known = words.always if column.known_from is None else f"`{column.known_from}`"
    empty = (words.yes if column.required else words.absent) if column.nullable else ""
    kind = KINDS[column.kind].text(lang)
    return f"`{column.name}`", column.label.text(lang), kind, _values(column, words, lang), known, empty


def _values(column: Column, words: _Words, lang: str) -> str:
    """Return the unit, the range and the levels of a column, where declared."""
    parts = [UNITS[column.unit].text(lang) if column.unit in UNITS else column.unit] if column.unit else []
    if column.levels:
        levels = f"[`{column.levels}`](#{column.levels})"
        parts.append(words.entries.format(levels=levels) if column.kind == "texts" else levels)
    if column.dated:
        parts.append(words.dated)
    if column.high is not None:
        low, high = f"{column.low or 0:,.15g}", f"{column.high:,.15g}"
        parts.append(words.above.format(low=low, high=high) if column.positive else f"{low}–{high}")
    if column.credit_code:
        parts.append("GB 32100-2015")
    if column.pattern:
        parts.append(f"`{column.pattern}`")
    if column.future:
        parts.append(words.future)
    return "; ".join(parts) if lang == "en" else "；".join(parts)


def _grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
