"""The page that compares the five plans and lists how each clause is implemented, made from the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tierkit.policy.core import Policy
from tierkit.policy.plans.covering import REFERENCES, STANDINGS, clauses, coverage, coverage_summary
from tierkit.policy.specification import SPEC
from tierkit.records import GRADES, LEVELS, SHANGHAI, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PLANS", "plans_page", "plans_table"]

PLANS = ("shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023")
"""The five plans, the city's first."""

_BASELINE = "legacy"


class _Say:
    """Words and numbers in one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang

    def __call__(self, zh: str, en: str) -> str:
        return zh if self.lang == "zh" else en

    def join(self, parts: Iterable[str]) -> str:
        return ("，" if self.lang == "zh" else ", ").join(parts)

    def list(self, parts: Iterable[str]) -> str:
        return ("、" if self.lang == "zh" else ", ").join(parts)

    def names(self, kind: str, names: Sequence[str]) -> str:
        return self.list(SHANGHAI.levels[kind][name].text(self.lang) for name in names)


class _Row(NamedTuple):
    """A dimension in which plans differ: its name, its description of a plan, and the parameters it reads."""

    name: Label
    said: Callable[[Policy, _Say], str]
    paths: tuple[str, ...]


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _times(multiple: float) -> str:
    return f"×{multiple:g}"


def _object(policy: Policy, say: _Say) -> str:
    if policy["scoring.logic"] == "composite":
        return say("一个综合评价分", "one composite score")
    matrix = policy["scoring.matrix"]
    if len(set(matrix)) == 1:
        return say("只看信用类别", "the class of credit alone")
    size = f"{len(matrix)} × {len(matrix[0])}"
    return say(f"风险 × 信用矩阵，{size}", f"a matrix of risk × credit, {size}")


def _scope(policy: Policy, say: _Say) -> str:
    sectors, agencies = policy["scoring.scope_sectors"], policy["scoring.scope_agencies"]
    parts = [say.names(kind, names) for kind, names in (("sector", sectors), ("agency", agencies)) if names]
    return say("；", "; ").join(parts) or say("全部行业和部门", "all sectors and agencies")


def _where(policy: Policy, say: _Say, tier: str) -> str:
    """Describe which scores lead to the top or the bottom tier: by AND, by OR, or by one axis alone."""
    if policy["scoring.logic"] == "composite":
        low, *_, high = policy["scoring.composite_cutoffs"]
        return (
            say(f"综合分不低于 {high:g}", f"composite score of {high:g} or more")
            if tier == "T1"
            else say(f"综合分低于 {low:g}", f"composite score below {low:g}")
        )
    matrix = policy["scoring.matrix"]
    levels, grades = range(len(matrix)), range(len(matrix[0]))
    cells = {(r, c) for r in levels for c in grades if matrix[r][c] == tier}
    rows, columns = sorted({r for r, _ in cells}), sorted({c for _, c in cells})

    def risk(which: Sequence[int]) -> str:
        shown = "–".join(str(1 + one) for one in dict.fromkeys((which[0], which[-1])))
        return say(f"风险 {shown} 级（共 {len(levels)} 级）", f"risk level {shown} of {len(levels)}")

    def credit(which: Sequence[int]) -> str:
        shown = "–".join(GRADES[one] for one in dict.fromkeys((which[0], which[-1])))
        last = GRADES[grades[-1]]
        return say(f"信用 {shown} 等（A 至 {last}）", f"credit grade {shown} of A–{last}")

    if not cells:
        return say("无", "nobody")
    if len(cells) == len(rows) * len(columns):
        if len(rows) == len(levels):
            return credit(columns)
        if len(columns) == len(grades):
            return risk(rows)
        return say("**且**", " **AND** ").join((risk(rows), credit(columns)))
    rest = {(r, c) for r in levels for c in grades} - cells
    others, below = {r for r, _ in rest}, {c for _, c in rest}
    if len(rest) == len(others) * len(below):
        axes = [r for r in levels if r not in others], [c for c in grades if c not in below]
        return say("**或**", " **OR** ").join((risk(axes[0]), credit(axes[1])))
    return say.list(f"{1 + r} × {GRADES[c]}" for r, c in sorted(cells))


def _frequency(policy: Policy, say: _Say, tier: str) -> str:
    general, key = (policy[f"frequency.tier.{tier}.{one}"] for one in ("general", "key"))
    if general == key:
        return say(f"频次{_times(key)}", f"frequency {_times(key)}")
    return say(
        f"一般事项{_times(general)}，重点事项{_times(key)}",
        f"general items {_times(general)}, key items {_times(key)}",
    )


def _relief(policy: Policy, say: _Say) -> str:
    return _frequency(policy, say, "T1")


def _floors(policy: Policy, say: _Say) -> str:
    weeks = policy["floors.serious_weeks"]
    told = {
        "floors.highest_risk": say("风险最高级", "the highest risk level"),
        "floors.serious_weeks": say(f"{weeks} 周内有严重问题", f"a serious finding within {weeks} weeks"),
        "floors.red_line": say("红线记录未了结", "an open red-line record"),
    }
    return say.list(words for path, words in told.items() if policy[path]) or _no(say)


def _between(policy: Policy, say: _Say) -> str:
    return say("；", "; ").join(f"{tier} {_frequency(policy, say, tier)}" for tier in ("T2", "T3"))


def _escalation(policy: Policy, say: _Say) -> str:
    depth = policy["depth.tier.T4"]
    return say.join(
        (
            _frequency(policy, say, "T4"),
            say(f"深度（发现几率）{_times(depth)}", f"depth (odds of detection) {_times(depth)}"),
        )
    )


def _no(say: _Say) -> str:
    return say("无", "none")


def _ladder(policy: Policy, say: _Say, table: str) -> str:
    return say.list(f"{tier} {_times(one)}" for tier, one in policy[table].items())


def _own_tables(policy: Policy, say: _Say) -> str:
    agencies = policy["agency_table.agencies"]
    if not agencies:
        return _no(say)
    return say("：", ": ").join((say.names("agency", agencies), _ladder(policy, say, "agency_table.tier")))


def _strata(policy: Policy, say: _Say) -> str:
    tags = policy["strata.tags"]
    if not tags:
        return _no(say)
    return say("：", ": ").join((say.names("sector", tags), _ladder(policy, say, "strata.tier")))


def _unmonitored(policy: Policy, say: _Say) -> str:
    if not policy["lists.unmonitored.enabled"]:
        return _no(say)
    share = _percent(policy["lists.unmonitored.target_share"])
    if policy["lists.unmonitored.by"] == "rule":
        return say(f"有，约 {share} 的企业", f"yes, about {share} of enterprises")
    if policy["lists.unmonitored.by"] == "data":
        named = policy["lists.unmonitored.file"].name
        return say(f"有，按名单文件 {named}", f"yes, as the file {named} says")
    by_sector = policy["lists.unmonitored.by"] == "agency_sector"
    field = say("各部门分行业", "each agency and sector") if by_sector else say("各部门", "each agency")
    return say(f"有，{field}列 {share} 的对象", f"yes, {share} of those of {field}")


def _no_disturb(policy: Policy, say: _Say) -> str:
    n = len(policy["lists.no_disturb.items"])
    share = _percent(policy["lists.no_disturb.target_share"])
    return say(f"{n} 个事项，占 {share}", f"{n} items, {share} of all") if n else _no(say)


def _campaign(policy: Policy, say: _Say) -> str:
    rate = policy["campaign.rate"]
    shown = say(
        f"每户每年 {rate:g} 次，不受清单限制", f"{rate:g} inspections an enterprise-year, past the lists"
    )
    return shown if rate else _no(say)


def _check_code(policy: Policy, say: _Say) -> str:
    action, window = policy["check_code.action"], policy["check_code.window_weeks"]
    if action == "none":
        return _no(say)
    return (
        say(f"{window} 周内合并", f"merge within {window} weeks")
        if action == "merge"
        else say(f"{window} 周内不再赋码", f"refuse a second within {window} weeks")
    )


def _uncoded(policy: Policy, say: _Say) -> str:
    return _percent(policy["check_code.unregistered_share"])


def _cap(policy: Policy, say: _Say) -> str:
    visits, period = policy["cap.planned_visits"], policy["cap.period_weeks"]
    levels = [LEVELS["agency_level"][name] for name in policy["cap.levels"]]
    at = f"of {', '.join(one.en for one in levels)} agencies" if levels else ""
    shown = say(
        f"{'、'.join(one.zh for one in levels) or '每层级'}部门每 {period} 周 {visits} 次计划入企",
        f"{visits} planned visits {at or 'a level'} in {period} weeks",
    )
    return shown if visits else _no(say)


def _joint(policy: Policy, say: _Say) -> str:
    sectors, window = policy["joint.sectors"], policy["joint.window_weeks"]
    if not sectors:
        return _no(say)
    where = (
        say("全部行业", "all sectors")
        if set(sectors) == set(SHANGHAI.sectors)
        else say.names("sector", sectors)
    )
    return say(f"{where}；{window} 周内", f"{where}; within {window} weeks")


def _offsite(policy: Policy, say: _Say) -> str:
    covered, replaced = _percent(policy["offsite.coverage"]), _percent(policy["offsite.substitution"])
    sectors = policy["offsite.sectors"]
    where = say(f"（{say.names('sector', sectors)}）", f" ({say.names('sector', sectors)})")
    alerts = ("", "")
    if policy["offsite.alerts_replace"]:
        alerts = ("，预警引发的检查顶替计划检查", "; checks that alerts open take the place of routine ones")
    at = where if sectors else ""
    return say(
        f"覆盖 {covered}{at}，其中 {replaced} 先做非现场{alerts[0]}",
        f"{covered} covered{at}, of which {replaced} are checked off site first{alerts[1]}",
    )


def _spread(policy: Policy, say: _Say) -> str:
    sd = policy["depth.inspector_sd"]
    return say(f"发现概率标准差 {sd:g}", f"SD {sd:g} of the detection probability")


def _lenience(policy: Policy, say: _Say) -> str:
    waived = _percent(policy["lenience.minor_waiver"])
    parts = [say(f"轻微违法 {waived} 不罚", f"{waived} of minor violations go unpunished")]
    if policy["lenience.first_only"]:
        parts.append(say("限首违", "first ones only"))
    on_list = say("限清单（一般事项）", "on the list (general items) only")
    parts.append(say("清单外同等", "off the list too") if policy["lenience.off_list"] else on_list)
    if policy["lenience.rectify_first"]:
        parts.append(say("整改前置", "rectify first"))
    return say.join(parts)


def _sealing(policy: Policy, say: _Say) -> str:
    share = _percent(policy["disposition.sealed_share"])
    return say(f"严重违法处罚的 {share}", f"{share} of penalties for serious violations")


def _repair(policy: Policy, say: _Say) -> str:
    letters = policy["repair.two_letters"]
    table = "repair.letters_" if letters else "repair."
    share, delay = _percent(policy[f"{table}take_up"]), policy[f"{table}mean_delay_weeks"]
    how = say("两书同达", "two letters together") if letters else say("不同时提示", "no letter")
    return say(
        f"{how}，{share} 申请，平均晚 {delay:g} 周",
        f"{how}, {share} apply, {delay:g} weeks late on average",
    )


def _filter(policy: Policy, say: _Say) -> str:
    recall, wrong = (policy[f"professional_filter.{one}"] for one in ("recall", "false_positive"))
    shown = say(
        f"识别 {_percent(recall)}，误判 {_percent(wrong)}",
        f"{_percent(recall)} recognised, {_percent(wrong)} of others mistaken",
    )
    return shown if recall else _no(say)


def _commitment(policy: Policy, say: _Say) -> str:
    share = _percent(policy["commitment.check_share"])
    guided = say("，并作指导", ", with guidance") if policy["commitment.guidance"] else ""
    return say(f"核查 {share}{guided}", f"{share} verified{guided}")


_COMPOSITE = (
    "scoring.logic",
    "scoring.composite_risk_weight",
    "scoring.composite_credit_weight",
    "scoring.composite_cutoffs",
)
_MATRIX = ("scoring.logic", "scoring.matrix", "scoring.risk_cutoffs", "scoring.credit_cutoffs")
_ROWS = (
    _Row(Label("评分对象", "what is scored"), _object, ("scoring.logic", "scoring.matrix")),
    _Row(Label("范围", "scope"), _scope, ("scoring.scope_sectors", "scoring.scope_agencies")),
    _Row(Label("放宽条件（T1）", "relief for (T1)"),
         lambda policy, say: _where(policy, say, "T1"), (*_COMPOSITE, *_MATRIX)),
    _Row(Label("不得为T1", "never T1"), _floors, ("floors",)),
    _Row(Label("放宽内容", "relief"), _relief, ("frequency.tier.T1",)),
    _Row(Label("居中（T2、T3）", "between (T2, T3)"), _between, ("frequency.tier.T2", "frequency.tier.T3")),
    _Row(Label("加严条件（T4）", "escalation for (T4)"),
         lambda policy, say: _where(policy, say, "T4"), (*_COMPOSITE, *_MATRIX)),
    _Row(Label("加严内容", "escalation"), _escalation, ("frequency.tier.T4", "depth.tier.T4")),
    _Row(Label("部门自有分级表", "agencies' own tables"), _own_tables, ("agency_table",)),
    _Row(Label("标签与类别分层抽查", "strata of tag × class"), _strata, ("strata",)),
    _Row(Label("无感监测对象清单", "unmonitored list"), _unmonitored, ("lists.unmonitored",)),
    _Row(Label("无事不扰事项清单", "no-disturb list"), _no_disturb, ("lists.no_disturb",)),
    _Row(Label("上级部署", "orders from above"), _campaign, ("campaign",)),
    _Row(Label("检查码", "check code"), _check_code, ("check_code.action", "check_code.window_weeks")),
    _Row(Label("无码检查", "without a code"), _uncoded, ("check_code.unregistered_share",)),
    _Row(Label("频次上限", "cap"), _cap, ("cap",)),
    _Row(Label("联合检查", "joint checks"), _joint, ("joint",)),
    _Row(Label("非现场检查", "off-site checks"), _offsite,
         ("offsite.coverage", "offsite.substitution", "offsite.sectors")),
    _Row(Label("检查人员差异", "spread of inspectors"), _spread, ("depth.inspector_sd",)),
    _Row(Label("包容审慎", "lenience"), _lenience, ("lenience",)),
    _Row(Label("查封扣押", "sealing"), _sealing, ("disposition.sealed_share",)),
    _Row(Label("信用修复", "repair"), _repair, ("repair",)),
    _Row(Label("职业举报识别", "professional filter"), _filter,
         ("professional_filter.recall", "professional_filter.false_positive")),
    _Row(Label("告知承诺核查", "commitments"), _commitment, ("commitment",)),
)  # fmt: skip


def _cell(row: _Row, policy: Policy, baseline: Policy, say: _Say) -> str:
    """Describe a plan in one dimension, with the clauses that order it and marks for assumed numbers."""
    own = [
        policy.parameters[path]
        for path in SPEC
        if any(path == one or path.startswith(f"{one}.") for one in row.paths)
        and policy.parameters[path] != baseline.parameters[path]
    ]
    start = f"{policy.meta.document} "
    cited = [one.source.removeprefix(start) for one in own if one.source and one.source.startswith(start)]
    marks = list(dict.fromkeys(one.split(":")[0].split(";")[0] for one in cited))
    if any(one.assumption for one in own):
        marks.append("†")
    ground = "‡" if not own else f"[{say.list(marks)}]"
    return f"{row.said(policy, say)} {ground}"


_INTRO = Label(
    "本页由 `python scripts/write_plans.py` 从 `tierkit/policy/presets/` 的参数值和 "
    "`tierkit/policy/plans/clauses.toml` 生成，并有测试保证一致。\n\n"
    "方括号内是该方案中的条款号；† 表示其中有数值是我们的假设，条文没有给出；"
    "‡ 表示方案没有规定，沿用改革前（`legacy`）的值。",
    "This page is made by `python scripts/write_plans.py` from the values in `tierkit/policy/presets/` and "
    "from `tierkit/policy/plans/clauses.toml`; a test holds them equal.\n\n"
    "In square brackets stand the plan's clauses; "
    "† says that a number among the values is our assumption, as the text has none; ‡ that the plan orders "
    "nothing here and the value is that of the time before (`legacy`).",
)
_COVERED = Label(
    "五个方案关于监管的 {counted} 条规定，逐条用我们自己的话说明，并注明由什么承载；"
    "没有承载或只有部分承载的，说明理由。"
    "所列方案参数都由该方案自己的参数文件设定。"
    "“变动的结果”是把这些参数退回改革前的值再模拟一年，与方案本身相比变动的结果："
    "↑ 为方案使之增加，↓ 为减少；长测试逐条核对，95% 区间均不含零。"
    "`tierkit policy coverage` 列出同样的内容。"
    "另有 {extra} 条因方案文件引用而列出，不计入下表。",
    "What the {counted} clauses of the five plans order about supervision, in our own words, and what "
    "carries each; what nothing carries, or not wholly, says why. The policy parameters named are those "
    "that the plan's own preset sets. What a clause moves is seen by simulating a year of the plan with "
    "these parameters and with those of the time before in their place: ↑ where the plan makes it more, "
    "↓ where less; a long test holds each of them, with 95 % intervals clear of zero. "
    "`tierkit policy coverage` prints the same. Another {extra} clauses are "
    "listed because a policy file cites them; they are not counted.",
)
_HEAD = (
    Label("编号", "id"),
    Label("条款", "clause"),
    Label("要求", "what it orders"),
    Label("承载", "carried by"),
    Label("变动的结果", "what it moves"),
    Label("不建模的部分及理由", "not modelled, and why"),
)


def plans_table(lang: str = "en") -> pd.DataFrame:
    """Return how the five plans differ in structure, one row per dimension, one column per plan.

    Parameters
    ----------
    lang : {"en", "zh"}

    Returns
    -------
    pandas.DataFrame
        Texts, read off the values: what a plan does, and in square brackets the clauses that order it, with †
        where a number is assumed, or ‡ where nothing is ordered and the value is that of ``legacy``.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> plans_table().loc["escalation for (T4)", "jiading-2025"]
    'risk level 3 of 3 **AND** credit grade C of A–C [38, †]'
    """
    if lang not in ("en", "zh"):
        raise ValueError(f"'lang' must be one of en, zh. Got {lang!r} instead.")
    import pandas as pd

    say = _Say(lang)
    plans, baseline = [Policy.load(name) for name in PLANS], Policy.load(_BASELINE)
    rows = {row.name.text(lang): [_cell(row, plan, baseline, say) for plan in plans] for row in _ROWS}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(PLANS), dtype=object)


def plans_page(lang: str = "en") -> str:
    """Return the five plans side by side, and their clause coverage, as Markdown.

    Parameters
    ----------
    lang : {"en", "zh"}

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> print(plans_page().splitlines()[0])
    # The five plans
    """
    table = plans_table(lang)
    say = _Say(lang)
    plans = [Policy.load(name) for name in PLANS]
    lines = [f"# {say('五个方案', 'The five plans')}", "", _INTRO.text(lang), ""]
    lines += [f"## {say('结构上的差别', 'How they differ in structure')}", ""]
    head = [say("方面", "in"), *(f"{plan.meta.title.text(lang)} `{plan.name}`" for plan in plans)]
    lines += _grid(head, ([str(name), *row] for name, row in zip(table.index, table.to_numpy(), strict=True)))
    lines += ["", f"## {say('条款由什么承载', 'What carries each clause')}", ""]
    extra = sum(one.extra for one in clauses().values())
    told = _COVERED.text(lang).format(counted=len(clauses()) - extra, extra=extra)
    lines += [told, "", *_summary(say), ""]
    frame = coverage(lang)
    for plan in plans:
        lines += [f"### {plan.meta.title.text(lang)} · {plan.meta.document}", ""]
        mine = frame[frame["document"] == plan.meta.document]
        rows = (
            [
                row["clause_id"] + say("（不计）", " (not counted)") * row["extra"],
                row["clause"],
                row["statement"],
                *("<br>".join(f"`{one}`" for one in row[name]) for name in ("carried_by", "shown")),
                row["outside"],
            ]
            for row in mine.to_dict("records")
        )
        lines += [*_grid([word.text(lang) for word in _HEAD], rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _summary(say: _Say) -> list[str]:
    frame = coverage_summary()
    labels = {**STANDINGS, **REFERENCES}
    head = [say("文件", "document"), say("条款", "clauses")]
    head += [labels[name].text(say.lang) for name in frame.columns[1:]]
    rows = (
        [say("合计", "all") if document == "all" else str(document), *map(str, row)]
        for document, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)
    )
    return _grid(head, rows)


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
