"""Every policy parameter, declared once, and the instruments that parameters make up."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import Any

from tierkit.records import (
    AGENCY_LEVELS,
    CREDIT_EVENTS,
    EVENT_KINDS,
    GRADES,
    GRAVITY,
    LEVELS,
    REPAIRABLE_KINDS,
    SHANGHAI,
    TIERS,
    UNINSPECTED_KINDS,
    Label,
    Place,
)

__all__ = [
    "ANY_KIND",
    "INSTRUMENTS",
    "RENAMED",
    "SCORE_EVENTS",
    "SPEC",
    "UNITS",
    "Instrument",
    "Spec",
    "spec_of",
]

UNITS: Mapping[str, Label] = MappingProxyType(
    {
        "name": Label("名称", "name"),
        "file": Label("文件", "file"),
        "names": Label("名单", "names"),
        "text": Label("文字", "text"),
        "yes/no": Label("是否", "yes/no"),
        "tier": Label("等级", "tier"),
        "grade": Label("等次", "grade"),
        "probability": Label("概率", "probability"),
        "share": Label("占比", "share"),
        "log-odds": Label("对数几率", "log-odds"),
        "log-odds/SD": Label("对数几率/标准差", "log-odds/SD"),
        "points": Label("分", "points"),
        "points/log-odds": Label("分/对数几率", "points/log-odds"),
        "points/point": Label("分/分", "points/point"),
        "weeks": Label("周", "weeks"),
        "multiple": Label("倍", "multiple"),
        "odds ratio": Label("几率比", "odds ratio"),
        "inspections/enterprise-year": Label("次/户·年", "inspections/enterprise-year"),
        "draws/obligation-year": Label("次/监管关系·年", "draws/obligation-year"),
        "visits/level/period": Label("次/层级/周期", "visits/level/period"),
    }
)
"""Unit, as written in policy files → its label."""

SCORE_EVENTS: Mapping[str, Label] = MappingProxyType(
    {
        "found_minor": Label("发现轻微问题", "minor finding"),
        "found_moderate": Label("发现一般问题", "moderate finding"),
        "found_serious": Label("发现严重问题", "serious finding"),
        "clean_check": Label("检查未发现问题", "clean check"),
        "penalty": Label("受到行政处罚", "penalty"),
        "complaint_substantiated": Label("投诉属实", "substantiated complaint"),
        **{CREDIT_EVENTS[kind].score_event: CREDIT_EVENTS[kind].label for kind in UNINSPECTED_KINDS},
    }
)
"""Event that moves scores in the simulator → its label, in the engine's order."""

ANY_KIND = "any"
"""Name that stands for every kind of adverse record."""

_FAMILIES: Mapping[str, Mapping[str, Label]] = {
    "adverse_kind": {kind: CREDIT_EVENTS[kind].label for kind in EVENT_KINDS if kind in GRAVITY},
    "event": SCORE_EVENTS,
    "item_class": LEVELS["item_class"],
    "severity": LEVELS["severity"],
    "size": LEVELS["size"],
    "tier": LEVELS["tier"],
}


@dataclass(frozen=True, slots=True)
class Spec:
    """The declaration of one parameter.

    Attributes
    ----------
    path : str
        Dotted name, the nesting of the policy file.
    kind : str
        ``number``, ``integer``, ``boolean``, ``choice``, ``text``, ``numbers`` (ascending), ``names``
        (a list without repeats), ``matrix`` (rows of tiers) or ``list`` (a CSV of enterprises, or nothing).
    unit : str
        A key of `UNITS`.
    label, about : Label
        Short name, and one line on what the parameter does.
    low, high : float or None
        Bounds of a number, or of each of several.
    inside : bool
        Whether the bounds themselves are excluded.
    levels : tuple of str
        Allowed names; empty where any name is, or where they are those of the place.
    of_place : str
        What of a place the names are: ``sector``, ``agency`` or ``item``; empty where they are not.
    neutral : float or None
        Value of a parameter by sector under which all sectors are alike.
    lengths : tuple of int
        Allowed numbers of ``numbers``; empty where any is.
    """

    path: str
    kind: str
    unit: str
    label: Label
    about: Label
    low: float | None = None
    high: float | None = None
    inside: bool = False
    levels: tuple[str, ...] = ()
    of_place: str = ""
    neutral: float | None = None
    lengths: tuple[int, ...] = ()

    @property
    def range_text(self) -> str:
        """Return the range in words, as error messages print it."""
        left, right = ("(", ")") if self.inside else ("[", "]")
        if self.low is not None and self.high is not None:
            return f"in {left}{self.low:g}, {self.high:g}{right}"
        if self.low is not None:
            return f"{'above' if self.inside else 'at least'} {self.low:g}"
        return "a finite number"


def _number(
    path: str, unit: str, label: tuple[str, str], about: tuple[str, str],
    low: float | None = 0.0, high: float | None = None, *, inside: bool = False, neutral: float | None = None,
) -> Spec:  # fmt: skip
    return Spec(path, "number", unit, Label(*label), Label(*about), low, high, inside=inside, neutral=neutral)


def _probability(
    path: str, label: tuple[str, str], about: tuple[str, str], unit: str = "probability"
) -> Spec:
    return _number(path, unit, label, about, 0.0, 1.0)


def _share(path: str, label: tuple[str, str], about: tuple[str, str]) -> Spec:
    return _probability(path, label, about, "share")


def _weeks(
    path: str, label: tuple[str, str], about: tuple[str, str], low: float = 0, high: float = 520
) -> Spec:
    return Spec(path, "integer", "weeks", Label(*label), Label(*about), low, high)


def _flag(path: str, label: tuple[str, str], about: tuple[str, str]) -> Spec:
    return Spec(path, "boolean", "yes/no", Label(*label), Label(*about))


def _choice(
    path: str, levels: tuple[str, ...], label: tuple[str, str], about: tuple[str, str], unit: str = "name"
) -> Spec:
    return Spec(path, "choice", unit, Label(*label), Label(*about), levels=levels)


def _names(path: str, of_place: str, label: tuple[str, str], about: tuple[str, str]) -> Spec:
    return Spec(path, "names", "names", Label(*label), Label(*about), of_place=of_place)


def _kinds(path: str, kinds: tuple[str, ...], label: tuple[str, str], about: tuple[str, str]) -> Spec:
    return Spec(path, "names", "names", Label(*label), Label(*about), levels=kinds)


def _numbers(
    path: str, unit: str, lengths: tuple[int, ...], low: float | None, high: float | None,
    label: tuple[str, str], about: tuple[str, str], *, inside: bool = False,
) -> Spec:  # fmt: skip
    return Spec(
        path, "numbers", unit, Label(*label), Label(*about), low, high, inside=inside, lengths=lengths
    )


_SCORING = (
    _choice("scoring.basis", ("rule", "model"), ("评分依据", "basis of scores"),
            ("等级依据规则分还是模型分", "whether tiers rest on the rule score or on the models")),
    _choice("scoring.logic", ("matrix", "composite", "risk"), ("分级逻辑", "tier logic"),
            ("风险与信用二维矩阵，或合成一个综合分，或仅按风险（等级矩阵首列，红线记录除外）",
             "risk × credit matrix, or one composite score, or risk alone (the matrix's first column, red "
             "lines apart)")),
    _numbers("scoring.risk_cutoffs", "probability", (1, 2, 3), 0, 1, ("风险分界", "risk cut-offs"),
             ("达到分界即进入较高风险级",
              "a probability at or above a cut-off belongs to the higher risk level"),
             inside=True),
    _numbers("scoring.credit_cutoffs", "points", (1, 2, 3), 0, 1000, ("信用分界", "credit cut-offs"),
             ("达到分界即进入较好信用等次", "points at or above a cut-off belong to the better grade")),
    Spec("scoring.matrix", "matrix", "tier", Label("等级矩阵", "tier matrix"),
         Label("行为风险级（从低到高），列为信用等次（从A起）",
               "rows are risk levels from low, columns grades from A"),
         levels=TIERS),
    _number("scoring.composite_risk_weight", "points/log-odds", ("综合分：风险权重",
                                                                 "composite: risk weight"),
            ("风险对数几率每加一，综合分减去的分数",
             "points that one log-odds of risk takes from the composite"),
            0, 1000),
    _number("scoring.composite_credit_weight", "points/point", ("综合分：信用权重",
                                                                "composite: credit weight"),
            ("信用分每加一分，综合分加上的分数",
             "points that one credit point adds to the composite"), 0, 100),
    _numbers("scoring.composite_cutoffs", "points", (3,), None, None, ("综合分分界", "composite cut-offs"),
             ("达到最高分界为T1，低于最低分界为T4",
              "at or above the top cut-off is T1, below the lowest T4")),
    _share("scoring.target_shares.<tier>", ("目标占比", "target share"),
           ("设定分界时该等级应占的比例", "share that the cut-offs were set to give this tier")),
    Spec("scoring.reference", "text", "text", Label("基准世界", "reference world"),
         Label("设定分界所依据的世界及其日期", "the dated world on which the cut-offs were set")),
    _names("scoring.scope_sectors", "sector", ("分级行业范围", "sectors in scope"),
           ("实行分级的行业；空为全部", "sectors that are tiered; empty means all")),
    _names("scoring.scope_agencies", "agency", ("分级部门范围", "agencies in scope"),
           ("按等级确定频次和深度的部门；空为全部",
            "agencies whose checks follow the tier; empty means all")),
    _number("scoring.sector_offset.<sector>", "points", ("行业信用加分", "sector offset"),
            ("分级前加到该行业信用分上",
             "added to the credit points of the sector before grading"), -500, 500, neutral=0.0),
    _flag("scoring.record_needed", ("差评须有不良记录", "bad grade needs a record"),
          ("没有不良信用记录的，信用等次不低于B，综合分中的信用分不低于B的分界",
           "without any adverse record the credit grade is B at worst, and a composite counts no fewer "
           "points than B's cut-off")),
    _number("scoring.rule_gradient", "log-odds/SD", ("规则选择强度", "rule gradient"),
            ("记录在案的行为每一标准差使被抽中几率提高多少",
             "log-odds of being drawn per SD of recorded conduct"),
            -5, 5),
    _number("scoring.hidden_gradient", "log-odds/SD", ("隐性选择强度", "hidden gradient"),
            ("记录之外的情形每一标准差使被抽中几率提高多少",
             "log-odds of being drawn per SD of what records do not hold"),
            -5, 5),
    _number("scoring.rule_mean", "log-odds", ("规则分均值", "rule score mean"),
            ("标准化规则分时减去的均值", "mean that standardises the rule score"), -20, 20),
    _number("scoring.rule_intercept", "log-odds", ("规则分起点", "rule score intercept"),
            ("记录空白时的风险对数几率",
             "log-odds of risk of an enterprise whose records are empty"), -20, 20),
    _number("scoring.rule_points", "points", ("规则信用起点", "rule credit intercept"),
            ("记录空白时的信用分", "credit points of an enterprise whose records are empty"), 0, 1000),
    _number("scoring.rule_sd", "log-odds", ("规则分标准差", "rule score SD"),
            ("标准化规则分时除以的标准差", "SD that standardises the rule score"), 0, 20, inside=True),
    _number("score_update.<event>.margin", "log-odds", ("风险变动", "risk update"),
            ("该事件使风险对数几率变动多少", "log-odds of risk that the event adds"), -5, 5),
    _number("score_update.<event>.points", "points", ("信用变动", "credit update"),
            ("该事件使信用分变动多少；记录类事件在记录关闭前不衰减",
             "credit points that the event adds; those of a record stand until it closes"), -500, 500),
    _weeks("score_update.<event>.half_life", ("影响半衰期", "half-life of the update"),
           ("影响减半所需周数", "weeks in which the effect halves"), 1),
    _weeks("review.cadence_weeks", ("复评周期", "review cadence"),
           ("每隔几周重新定级", "weeks between two reviews of the tier"), 1),
    _number("review.hysteresis_margin", "log-odds", ("风险缓冲", "risk hysteresis"),
            ("越过风险分界多少才换级", "how far past a risk cut-off a score must be to change level"), 0, 5),
    _number("review.hysteresis_points", "points", ("信用缓冲", "credit hysteresis"),
            ("越过信用或综合分分界多少才换级",
             "how far past a credit or composite cut-off points must be"), 0, 200),
    _weeks("review.dwell_weeks", ("最短停留", "dwell"),
           ("等级变动前至少保持的周数；红线除外", "weeks that a tier is kept at least, red lines apart")),
    _choice("red_lines.<adverse_kind>", GRADES, ("红线", "red line"),
            ("有此记录时信用等次的上限；A为不设限",
             "best grade while the record stands; A caps nothing"), "grade"),
    _kinds("red_line_tier.kinds", GRAVITY, ("定级红线", "red lines to a tier"),
           ("有这些未了结记录的，等级不优于规定等级，也不列入无感监测清单；空为无",
            "open records of these kinds bring the tier below and keep off the unmonitored list; "
            "empty means none")),
    _choice("red_line_tier.tier", TIERS, ("红线等级", "tier of a red line"),
            ("有定级红线记录时至多列为该等级", "best tier while such a record is open"), "tier"),
    _kinds("escalation.kinds", (ANY_KIND, *REPAIRABLE_KINDS), ("从严记录", "records that escalate"),
           ("有这些未了结记录的，不论风险高低都从严定级；any为各种不良记录，空为无",
            "open records of these kinds bring the tier below whatever the risk; any means every kind, "
            "empty none")),
    _choice("escalation.tier", TIERS, ("从严等级", "tier of an escalation"),
            ("有从严记录时至多列为该等级", "best tier while such a record is open and not older than that"),
            "tier"),
    _weeks("escalation.max_weeks", ("从严记录时限", "oldest record that escalates"),
           ("记录超过此周数不再从严", "weeks after which a record no longer escalates"), 1),
    _flag("floors.highest_risk", ("底线：风险最高级", "floor: highest risk level"),
          ("风险最高级的，等级不得为T1，也不列入无感监测清单",
           "whoever is of the highest risk level is neither T1 nor on an unmonitored list")),
    _weeks("floors.serious_weeks", ("底线：严重问题", "floor: serious finding"),
           ("检查发现严重问题未超过此周数的，等级不得为T1，也不列入无感监测清单；零为不设",
            "weeks after a serious finding in which one is neither T1 nor on an unmonitored list; zero means "
            "no such floor")),
    _flag("floors.red_line", ("底线：红线记录", "floor: red-line record"),
          ("红线记录未了结的，等级不得为T1，也不列入无感监测清单",
           "whoever has an open record that is a red line is neither T1 nor on an unmonitored list")),
)  # fmt: skip

_EFFORT = (
    _number("frequency.base_rate", "inspections/enterprise-year", ("基准频次", "base rate"),
            ("倍数为一时平均每户每年计划检查次数（不含基准抽样）",
             "routine inspections of the average enterprise at multiple 1"),
            0, 50),
    _number("frequency.sector.<sector>", "multiple", ("行业频次", "sector frequency"),
            ("该行业相对频次，按总体均值归一",
             "relative frequency, scaled so that the population mean is the base rate"),
            0, 100, neutral=1.0),
    _number("frequency.size.<size>", "multiple", ("规模频次", "size frequency"),
            ("该规模相对频次，按总体均值归一",
             "relative frequency, scaled so that the population mean is the base rate"),
            0, 100),
    _number("frequency.tier.<tier>.<item_class>", "multiple", ("等级频次", "tier frequency"),
            ("该等级该类事项计划检查相对基准的倍数",
             "multiple of the base rate of routine inspections"), 0, 100),
    _choice("frequency.schedule", ("lottery", "interval"), ("排期方式", "schedule"),
            ("计划检查逐周抽签，或按固定间隔轮到；固定间隔没有重叠，不能据此估计概率",
             "a lot drawn every week, or fixed intervals, which leave no overlap to estimate from")),
    _share("frequency.override", ("检查人员自主占比", "override"),
           ("检查人员不按等级选择检查对象的占比",
            "share of routine choices in which inspectors set the tier aside")),
    _names("strata.tags", "sector", ("标签行业", "tagged sectors"),
           ("带有标签、与信用分类交叉抽取的行业；空为无",
            "sectors that carry the tag which is crossed with the tier; empty means none")),
    _number("strata.tier.<tier>", "multiple", ("标签×分类频次", "tag × class frequency"),
            ("带标签的该等级对象频次再乘以多少",
             "what further multiplies the frequency of tagged enterprises of the tier"), 0, 100),
    _names("agency_table.agencies", "agency", ("自有分级的部门", "agencies with a table of their own"),
           ("另有分级频次的部门；空为无", "agencies that grade for themselves; empty means none")),
    _number("agency_table.tier.<tier>", "multiple", ("部门分级频次", "frequency by the agency's table"),
            ("这些部门对该等级的频次再乘以多少",
             "what further multiplies the frequency of the tier at these agencies"), 0, 100),
    _probability("frequency.random_floor", ("基准抽样下限", "random floor"),
                 ("每一监管关系每年基准抽样次数，不因等级而异",
                  "equal-chance audits a year of every obligation, whatever its tier"),
                 "draws/obligation-year"),
    _number("depth.tier.<tier>", "odds ratio", ("检查深度", "depth"),
            ("该等级发现违法的几率乘以多少",
             "what multiplies the odds of detecting a violation"), 0, 100, inside=True),
    _probability("depth.detection", ("发现概率", "detection"),
                 ("标准深度现场检查发现违法的概率",
                  "probability that a check at reference depth detects a violation")),
    _number("depth.inspector_sd", "probability", ("检查人员差异", "inspector SD"),
            ("各检查组发现概率的标准差",
             "SD of the detection probability between groups of inspectors"), 0, 0.25),
    _flag("lists.unmonitored.enabled", ("无感监测清单", "unmonitored list"),
          ("清单内对象只做触发式检查", "listed enterprises get triggered inspections only")),
    _choice("lists.unmonitored.by", ("rule", "agency", "agency_sector", "data"),
            ("清单产生方式", "how the list is made"),
            ("按统一条件；或按部门（或部门×行业）在没有未了结不良记录的对象中由风险低者起列满目标占比；"
             "或以给定名单为准",
             "by one rule for all; or filled to the target share for each agency (or agency and sector) "
             "with those of the least risk among whoever has no open adverse record; or as a file says")),
    Spec("lists.unmonitored.file", "list", "file", Label("清单名单", "list: file"),
         Label("给定名单的CSV文件（统一社会信用代码，可另有部门、列入日期、移出日期）；空为无",
               "CSV of those on the list: enterprise_id and, as needed, agency, listed_on, until; "
               "empty means none")),
    _probability("lists.unmonitored.max_risk", ("清单风险上限", "list: highest risk"),
                 ("风险概率不高于此值方可列入", "highest risk probability on the list")),
    _number("lists.unmonitored.min_points", "points", ("清单信用下限", "list: fewest points"),
            ("信用分不低于此值方可列入", "fewest credit points on the list"), 0, 1000),
    _share("lists.unmonitored.target_share", ("清单目标占比", "list: target share"),
           ("清单应占的比例：按条件产生的，为设定条件时所求；按部门产生的，为各部门所列满的比例",
            "share to list: that the conditions were set to give, or to which each agency's list is filled")),
    _names("lists.no_disturb.items", "item", ("无事不扰事项", "no-disturb items"),
           ("清单内事项不做计划检查；空为无", "items without planned inspections; empty means none")),
    _share("lists.no_disturb.target_share", ("事项清单目标占比", "item list: target share"),
           ("清单应占全部事项的比例", "share of all items that the list was drawn up to hold")),
    _number("campaign.rate", "inspections/enterprise-year", ("上级部署频次", "campaign rate"),
            ("上级部署的检查，不受清单限制", "inspections ordered from above, past the lists"), 0, 10),
    _names("campaign.sectors", "sector", ("上级部署行业", "campaign sectors"),
           ("部署涉及的行业；空为全部", "sectors of the campaign; empty means all")),
    _share("commitment.check_share", ("承诺核查比例", "commitment check share"),
           ("告知承诺许可事后核查的比例", "share of permits by commitment that are verified afterwards")),
    _flag("commitment.guidance", ("核查并指导", "guidance in the check"),
          ("核查时一并指导合规", "whether the verifying visit also gives guidance")),
    _number("capacity.multiplier", "multiple", ("检查力量", "capacity"),
            ("各部门每周检查能力的倍数", "what multiplies the weekly capacity of every agency"), 0, 1000),
    _weeks("capacity.max_postpone_weeks", ("最长推迟", "longest postponement"),
           ("推迟超过此周数的检查作废", "weeks after which an inspection that was put off lapses"),
           high=255),  # the engine counts postponements in one byte
)  # fmt: skip

_TRIGGERS = (
    _probability("trigger.genuine", ("普通投诉触发", "trigger: complaint"),
                 ("非职业投诉引发检查的概率",
                  "probability that a complaint not recognised as professional opens a check")),
    _probability("trigger.professional", ("职业举报触发", "trigger: professional complaint"),
                 ("未被识别的职业举报引发检查的概率",
                  "probability that an unrecognised professional complaint opens a check")),
    _probability("trigger.incident", ("事故触发", "trigger: incident"),
                 ("事故引发检查的概率", "probability that an incident opens a check")),
    _probability("trigger.alert", ("预警触发", "trigger: off-site alert"),
                 ("非现场预警引发检查的概率", "probability that an off-site alert opens a check")),
    _weeks("trigger.delay_weeks", ("触发时延", "trigger delay"),
           ("触发到检查的周数", "weeks from the trigger to the check")),
    _probability("trigger.followup.<severity>", ("复查概率", "follow-up"),
                 ("发现该程度问题后复查的概率",
                  "probability that a finding of this severity is followed up")),
    _weeks("trigger.followup_weeks", ("复查间隔", "follow-up delay"),
           ("发现问题到复查的周数", "weeks from the finding to the follow-up"), 1),
    _probability("trigger.relabelled_share", ("变通触发占比", "relabelled share"),
                 ("因清单、窗口或上限未能进行的计划检查改以触发名义进行的概率",
                  "probability that a planned check stopped by a list, the window or the cap is made as a "
                  "trigger")),
    _probability("professional_filter.recall", ("职业举报识别率", "filter recall"),
                 ("职业举报被识别的概率", "probability that a professional complaint is recognised as one")),
    _probability("professional_filter.false_positive", ("误判率", "filter false positives"),
                 ("普通投诉被误判为职业举报的概率",
                  "probability that another complaint is taken for a professional one")),
    _probability("professional_filter.weight", ("识别后触发概率", "weight after filtering"),
                 ("被识别为职业举报的投诉仍引发检查的概率",
                  "probability that a filtered complaint still opens a check")),
)  # fmt: skip

_VISITS = (
    _choice("check_code.action", ("none", "merge", "refuse"), ("检查码处置", "check-code action"),
            ("窗口期内第二个部门：不管、合并或不予赋码",
             "a second agency inside the window: let be, merged into one visit, or refused")),
    _weeks("check_code.window_weeks", ("检查码窗口", "check-code window"),
           ("查重的周数；零为同一周", "weeks in which a second visit counts; zero means the same week")),
    _share("check_code.unregistered_share", ("未登记占比", "unregistered share"),
           ("未取得检查码的计划检查占比", "share of routine inspections that happen without a check code")),
    _names("joint.sectors", "sector", ("联合检查行业", "joint sectors"),
           ("实行跨部门联合检查的行业；空为无", "sectors with joint inspections; empty means none")),
    _weeks("joint.window_weeks", ("联合窗口", "joint window"),
           ("可合为一次入企的周数；零为同一周",
            "weeks within which checks join in one visit; zero means the same week")),
    Spec("cap.planned_visits", "integer", "visits/level/period", Label("频次上限", "cap"),
         Label("每户每层级一个周期内计划入企次数上限；零为不设",
               "most planned visits to one enterprise in a period; zero means no cap"),
         0, 100),
    Spec("cap.levels", "names", "names", Label("上限约束的层级", "levels under the cap"),
         Label("计划入企受上限约束的执法部门层级；空为各级",
               "levels of government whose agencies' planned visits the cap binds; empty means all"),
         levels=AGENCY_LEVELS),
    _weeks("cap.period_weeks", ("上限周期", "period of the cap"),
           ("上限按几周计算", "weeks over which the cap counts"), 1),
    _share("offsite.coverage", ("非现场覆盖", "off-site coverage"),
           ("可非现场检查的监管关系占比", "share of obligations that can be checked off site")),
    _probability("offsite.substitution", ("非现场替代", "off-site substitution"),
                 ("可非现场时计划检查先做非现场的概率",
                  "probability that a planned check of these is made off site first")),
    _probability("offsite.sensitivity", ("非现场灵敏度", "off-site sensitivity"),
                 ("违法时非现场发现的概率", "probability that an off-site check detects a violation")),
    _probability("offsite.false_alarm", ("非现场误报", "off-site false alarms"),
                 ("未违法时非现场误报的概率",
                  "probability that an off-site check of a compliant obligation raises an alarm")),
    _flag("offsite.alerts_replace", ("预警顶替计划检查", "alerts in place of routine checks"),
          ("非现场预警引发的一次检查，顶替该部门下一次计划检查；否则另行增加",
           "a check that an off-site alert opens takes the place of the agency's next routine check; "
           "otherwise it comes on top")),
    _names("offsite.sectors", "sector", ("非现场行业", "off-site sectors"),
           ("实行非现场检查的行业；空为全部", "sectors with off-site checks; empty means all")),
    _names("offsite.agencies", "agency", ("非现场部门", "off-site agencies"),
           ("实行非现场检查的部门；空为全部", "agencies with off-site checks; empty means all")),
)  # fmt: skip

_AFTERWARDS = (
    _probability("lenience.minor_waiver", ("轻微不罚", "minor waiver"),
                 ("符合条件的轻微违法不予处罚的概率",
                  "probability that an eligible minor violation goes unpunished")),
    _flag("lenience.first_only", ("限首违", "first only"),
          ("仅首次违法可不罚", "whether only a first violation is eligible")),
    _flag("lenience.off_list", ("清单外同等", "off the list too"),
          ("清单外轻微违法同等不罚；否则仅一般事项",
           "violations off the list are eligible too; else general items only")),
    _flag("lenience.rectify_first", ("整改前置", "rectify first"),
          ("首次一般违法先责令改正", "a first moderate violation is rectified instead of penalised")),
    _probability("disposition.penalised.<severity>", ("处罚概率", "penalised"),
                 ("该程度违法（未获免罚）受处罚的概率",
                  "probability that a violation not waived is penalised")),
    _share("disposition.sealed_share", ("查封扣押占比", "sealed share"),
           ("严重违法受处罚的，同时采取查封扣押措施的占比",
            "share of penalties for serious violations beside which premises or goods are sealed or seized")),
    _probability("repair.take_up", ("修复申请率", "repair take-up"),
                 ("未两书同达、可修复时申请修复的概率",
                  "probability that a repairable record is repaired without the letter")),
    _number("repair.mean_delay_weeks", "weeks", ("修复时延", "repair delay"),
            ("可修复到修复的平均周数", "mean weeks from the earliest date to the repair"), 0, 520),
    _flag("repair.two_letters", ("两书同达", "two letters together"),
          ("处罚决定书与修复提示函同时送达", "whether the repair letter comes with the penalty decision")),
    _probability("repair.letters_take_up", ("两书同达时修复申请率", "repair take-up with two letters"),
                 ("两书同达且可修复时申请修复的概率",
                  "probability that a repairable record is repaired where the letter came along")),
    _number("repair.letters_mean_delay_weeks", "weeks",
            ("两书同达时修复时延", "repair delay with two letters"),
            ("两书同达时可修复到修复的平均周数",
             "mean weeks from the earliest date to the repair where the letter came along"), 0, 520),
)  # fmt: skip


def _expand(spec: Spec, place: Place | None) -> Iterator[Spec]:
    """Yield the parameters of a family: one for each level of each ``<placeholder>`` in its path."""
    known = {**_FAMILIES, "sector": place.levels["sector"] if place else {}}
    if spec.of_place and place:
        levels = tuple(place.items) if spec.of_place == "item" else place.ids(spec.of_place)
        spec = replace(spec, levels=levels)
    families = re.findall(r"<(\w+)>", spec.path)
    for chosen in product(*(known[family] for family in families)):
        path, zh, en = spec.path, spec.label.zh, spec.label.en
        for family, level in zip(families, chosen, strict=True):
            name = known[family][level]
            path = path.replace(f"<{family}>", level)
            prefix = f"{level} " if family == "tier" else ""
            zh, en = f"{zh}·{prefix}{name.zh}", f"{en}, {prefix}{name.en}"
        yield replace(spec, path=path, label=Label(zh, en))


@lru_cache(16)
def spec_of(place: Place | None) -> Mapping[str, Spec]:
    """Return what each parameter of a policy of a place may be, in the order of files and tables.

    A policy of any place (None) has no parameter by sector, and names no sector, agency or item.

    Examples
    --------
    >>> "frequency.sector.food" in spec_of(SHANGHAI), "frequency.sector.food" in spec_of(None)
    (True, False)
    """
    groups = (_SCORING, _EFFORT, _TRIGGERS, _VISITS, _AFTERWARDS)
    return MappingProxyType(
        {one.path: one for group in groups for family in group for one in _expand(family, place)}
    )


SPEC: Mapping[str, Spec] = spec_of(SHANGHAI)
"""What each parameter of a policy of Shanghai may be, as of `spec_of`."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of a policy, with the values that switch it off.

    Attributes
    ----------
    label : Label
        Its name.
    off : mapping of str to any
        Parameters, and the values under which the instrument has no effect, whatever its others are.
    """

    label: Label
    off: Mapping[str, Any]


def _family(prefix: str, value: Any) -> dict[str, Any]:
    return {path: value for path in SPEC if path.startswith(prefix)}


def _instrument(zh: str, en: str, off: dict[str, Any]) -> Instrument:
    return Instrument(Label(zh, en), MappingProxyType(off))


_SIGNALS = ("genuine", "professional", "incident", "alert")

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {
        "frequency": _instrument("差异化频次", "frequency by tier", _family("frequency.tier.", 1.0)),
        "depth": _instrument("检查深度", "depth by tier", _family("depth.tier.", 1.0)),
        "inspectors": _instrument("检查人员差异", "spread between inspectors", {"depth.inspector_sd": 0.0}),
        "list": _instrument("无感监测清单", "unmonitored list", {"lists.unmonitored.enabled": False}),
        "items": _instrument("无事不扰事项", "no-disturb items", {"lists.no_disturb.items": []}),
        "random_floor": _instrument("基准抽样下限", "random floor", {"frequency.random_floor": 0.0}),
        "triggers": _instrument(
            "触发式检查",
            "triggers",
            {f"trigger.{kind}": 0.0 for kind in _SIGNALS}
            | {"professional_filter.weight": 0.0}
            | _family("trigger.followup.", 0.0),
        ),
        "professional_filter": _instrument(
            "职业举报识别",
            "filter of professional complaints",
            {"professional_filter.recall": 0.0, "professional_filter.false_positive": 0.0},
        ),
        "check_code": _instrument("检查码窗口", "check-code window", {"check_code.action": "none"}),
        "uncoded": _instrument("未登记检查", "checks without a code", {"check_code.unregistered_share": 0.0}),
        "cap": _instrument("频次上限", "cap", {"cap.planned_visits": 0}),
        "relabelling": _instrument("变通触发", "relabelled triggers", {"trigger.relabelled_share": 0.0}),
        "campaign": _instrument("上级部署检查", "campaigns", {"campaign.rate": 0.0}),
        "joint": _instrument("跨部门联合检查", "joint inspection", {"joint.sectors": []}),
        "offsite": _instrument(
            "非现场检查", "off-site substitution", {"offsite.coverage": 0.0, "offsite.substitution": 0.0}
        ),
        "sector_credit": _instrument("行业信用加分", "sector offset", _family("scoring.sector_offset.", 0.0)),
        "strata": _instrument("标签×分类抽取", "tag × class strata", {"strata.tags": []}),
        "agency_tables": _instrument("部门自有分级", "agencies' own tables", {"agency_table.agencies": []}),
        "override": _instrument("检查人员自主选择", "inspectors' override", {"frequency.override": 0.0}),
        "red_lines": _instrument("红线", "red lines", _family("red_lines.", "A")),
        "red_line_tier": _instrument("定级红线", "red lines to a tier", {"red_line_tier.kinds": []}),
        "escalation": _instrument("不良记录从严", "escalation by record", {"escalation.kinds": []}),
        "record_needed": _instrument(
            "差评须有不良记录", "bad grade needs a record", {"scoring.record_needed": False}
        ),
        "floors": _instrument(
            "T1底线",
            "floors under T1",
            {"floors.highest_risk": False, "floors.serious_weeks": 0, "floors.red_line": False},
        ),
        "hysteresis": _instrument(
            "缓冲与停留",
            "hysteresis and dwell",
            {
                "review.hysteresis_margin": 0.0,
                "review.hysteresis_points": 0.0,
                "review.dwell_weeks": 0,
            },
        ),
        "lenience": _instrument(
            "包容审慎", "lenience", {"lenience.minor_waiver": 0.0, "lenience.rectify_first": False}
        ),
        "two_letters": _instrument("两书同达", "two letters together", {"repair.two_letters": False}),
        "repair": _instrument(
            "信用修复", "credit repair", {"repair.take_up": 0.0, "repair.letters_take_up": 0.0}
        ),
        "commitment": _instrument("承诺核查", "commitment checks", {"commitment.check_share": 0.0}),
        "guidance": _instrument("核查并指导", "guidance in the check", {"commitment.guidance": False}),
        "capacity": _instrument("检查力量限制", "capacity", {"capacity.multiplier": 1000.0}),
    }
)
"""Name of an instrument → its label and what switches it off."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "base_rate": "frequency.base_rate",
        "eps": "frequency.random_floor",
        "random_floor": "frequency.random_floor",
        **{f"depth.{tier}": f"depth.tier.{tier}" for tier in TIERS},
        **{f"freq.{tier}": f"frequency.tier.{tier}" for tier in TIERS},
        **{f"frequency.{tier}": f"frequency.tier.{tier}" for tier in TIERS},
    }
)
"""Old path, or the start of one → the new; a file that uses an old one is refused with its new name."""
