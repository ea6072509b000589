"""Every table and column of a dataset, declared once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tierkit.records.columns import Column, Kind, Reference, Table
from tierkit.records.credit_events import EVENT_KINDS, UNINSPECTED_KINDS
from tierkit.records.label import Label
from tierkit.records.places import SHANGHAI, Place

__all__ = ["SCHEMA_VERSION", "TABLES", "bound", "tables_of"]

SCHEMA_VERSION = 1
"""Raised when a file written before can no longer be read."""


def _table(name: str, columns: list[Column], **rest: Any) -> Table:
    return Table(name=name, columns=MappingProxyType({c.name: c for c in columns}), **rest)


def _enterprise(known_from: str | None, credit_code: bool = False) -> Column:
    zh, en = "统一社会信用代码", "unified social credit code"
    return Column("enterprise_id", "id", zh, en, known_from, credit_code=credit_code)


def _agency(known_from: str | None) -> Column:
    return Column("agency", "level", "执法部门", "enforcement agency", known_from, levels="agency")


def _item_class(known_from: str | None) -> Column:
    return Column("item_class", "level", "事项类别", "item class", known_from, levels="item_class")


_MONEY: Mapping[str, Any] = MappingProxyType({"unit": "CNY", "low": 0, "high": 1e13})


def _also(name: str, kind: Kind, zh: str, en: str, known_from: str, **rest: Any) -> Column:
    """Return a column that a source may have: a file need not have it, and it is missing then."""
    return Column(name, kind, zh, en, known_from, nullable=True, required=False, **rest)


_TO_ENTERPRISE = Reference(("enterprise_id",), "enterprises")
_TO_AGENCY = Reference(("agency",), "agencies")
_OBLIGATION = ("enterprise_id", "agency", "item_class")


def _enterprises() -> Table:
    k = "registered_on"
    gb: dict[str, Any] = {"unit": "GB/T 4754"}
    return _table(
        "enterprises",
        [
            _enterprise(k, credit_code=True),
            Column("name", "text", "名称", "name", k),
            Column("district", "level", "所在区", "district", k, levels="district", nullable=True),
            Column("town", "text", "街镇", "town or sub-district", k, nullable=True),
            Column("park", "text", "园区", "industrial park", k, nullable=True),
            Column(
                "industry_section",
                "level",
                "行业门类",
                "industry section",
                k,
                levels="industry_section",
                nullable=True,
                **gb,
            ),
            Column(
                "industry_division",
                "id",
                "行业大类",
                "industry division",
                k,
                pattern="^[0-9]{2}$",
                nullable=True,
                **gb,
            ),
            Column("sector", "level", "监管领域", "supervision sector", k, levels="sector"),
            Column("ownership", "level", "所有制", "ownership", k, levels="ownership", nullable=True),
            Column("size", "level", "规模", "size", k, levels="size", nullable=True),
            Column("registered_on", "date", "登记日期", "registered on", k, nullable=True),
            Column(
                "registered_capital",
                "float",
                "注册资本",
                "registered capital",
                k,
                unit="10k CNY",
                nullable=True,
                low=0,
                high=1e9,
            ),
            Column(
                "employees",
                "int",
                "从业人数",
                "employees",
                k,
                unit="persons",
                nullable=True,
                low=0,
                high=5e6,
                bits=32,
            ),
            Column("tags", "texts", "特色标签", "tags", k, nullable=True, dated=EVENT_KINDS),
            Column(
                "commitment",
                "flag",
                "告知承诺许可",
                "holds a permit by notification and commitment",
                k,
                nullable=True,
            ),
            Column("closed_on", "date", "注销日期", "closed on", "closed_on", nullable=True),
        ],
        zh="经营主体",
        en="enterprises",
        row=Label("一户经营主体", "an enterprise"),
        key=("enterprise_id",),
        orders=(("registered_on", "closed_on"),),
    )


def _agencies() -> Table:
    return _table(
        "agencies",
        [
            _agency(None),
            Column("name_zh", "text", "中文名称", "Chinese name"),
            Column("name_en", "text", "英文名称", "English name"),
            Column("level", "level", "层级", "level of government", levels="agency_level"),
            Column("core", "flag", "九大重点领域", "one of the nine core agencies"),
            Column(
                "capacity",
                "int",
                "检查能力",
                "capacity",
                unit="inspections/week",
                nullable=True,
                low=0,
                high=1e9,
            ),
        ],
        zh="执法部门",
        required=False,
        en="agencies",
        row=Label("一个执法部门", "an agency"),
        key=("agency",),
    )


def _items() -> Table:
    return _table(
        "items",
        [
            Column("item", "id", "检查事项", "inspection item"),
            _agency(None),
            _item_class(None),
            Column("name_zh", "text", "中文名称", "Chinese name"),
            Column("name_en", "text", "英文名称", "English name"),
            Column(
                "minutes",
                "int",
                "检查用时",
                "time one check takes",
                unit="minutes",
                nullable=True,
                low=1,
                high=10080,
                bits=32,
            ),
            Column("offsite", "flag", "可非现场检查", "can be checked off site", nullable=True),
            Column("sectors", "texts", "适用领域（空为全部）", "sectors (empty: all)", levels="sector"),
            Column("legal_basis", "text", "法律依据", "legal basis", nullable=True),
        ],
        zh="检查事项",
        required=False,
        en="items",
        row=Label("一个检查事项", "an inspection item"),
        key=("item",),
        references=(_TO_AGENCY,),
    )


def _obligations() -> Table:
    k = "valid_from"
    return _table(
        "obligations",
        [
            _enterprise(k),
            _agency(k),
            _item_class(k),
            Column("item", "id", "检查事项", "inspection item", k),
            Column("valid_from", "date", "起始日期", "valid from", k, nullable=True, future=True),
            Column("valid_to", "date", "终止日期", "valid to", "valid_to", nullable=True, future=True),
        ],
        zh="监管关系",
        required=False,
        en="obligations",
        row=Label("经营主体 × 执法部门 × 事项类别", "an enterprise × an agency × an item class"),
        key=_OBLIGATION,
        references=(_TO_ENTERPRISE, _TO_AGENCY, Reference(("item",), "items")),
        orders=(("valid_from", "valid_to"),),
        happens_on="valid_from",
    )


def _inspections() -> Table:
    k = "inspected_on"
    share: dict[str, Any] = {"unit": "probability", "nullable": True, "positive": True, "high": 1.0}
    return _table(
        "inspections",
        [
            Column("check_code", "id", "检查码", "check code", k),
            Column("visit_id", "id", "入企编号", "visit", k),
            _enterprise(k),
            _agency(k),
            _item_class(k),
            Column("inspected_on", "date", "检查日期", "inspected on", k),
            Column("channel", "level", "检查方式", "channel", k, levels="channel", nullable=True),
            Column("mode", "level", "检查形式", "mode", k, levels="mode"),
            Column("finding", "level", "检查发现", "finding", k, levels="finding"),
            Column(
                "disposition",
                "level",
                "处理结果",
                "disposition",
                "decided_on",
                levels="disposition",
                nullable=True,
            ),
            Column("decided_on", "date", "处理决定日期", "decided on", "decided_on", nullable=True),
            Column(
                "rating",
                "int",
                "企业评价",
                "rating by the enterprise",
                "rated_on",
                unit="1–5",
                nullable=True,
                low=1,
                high=5,
                bits=8,
            ),
            Column("rated_on", "date", "评价日期", "rated on", "rated_on", nullable=True),
            Column("propensity", "float", "抽查概率", "propensity of the draw", k, **share),
            Column("served_share", "float", "执行概率", "share of draws served", k, **share),
            Column("policy", "text", "适用方案", "policy in force", k, nullable=True),
            Column("inspector", "id", "检查组", "inspector group", k, nullable=True),
            _also("result", "text", "检查结果（来源原文）", "result, as the source has it", k),
            _also("fine", "float", "罚款金额", "fine", "decided_on", **_MONEY),
        ],
        zh="行政检查",
        en="inspections",
        row=Label("对一项监管关系的一次检查", "one check of one obligation"),
        key=("check_code",),
        references=(_TO_ENTERPRISE, _TO_AGENCY, Reference(_OBLIGATION, "obligations")),
        orders=(("inspected_on", "decided_on"), ("inspected_on", "rated_on")),
        together=(("rating", "rated_on"),),
        decided=(("disposition", "decided_on"),),
        happens_on="inspected_on",
        may_be_empty=True,
    )


def _credit_events() -> Table:
    k = "known_on"
    return _table(
        "credit_events",
        [
            Column("event_id", "id", "信用事件编号", "credit event", k),
            _enterprise(k),
            Column("kind", "level", "事件类别", "kind of event", k, levels="event_kind"),
            Column("severity", "level", "严重程度", "severity", k, levels="severity"),
            Column("happened_on", "date", "发生日期", "happened on", k, nullable=True),
            Column("known_on", "date", "知悉日期", "known on", k),
            Column(
                "repairable_from", "date", "最早可修复日期", "repairable from", k, nullable=True, future=True
            ),
            Column("repaired_on", "date", "修复日期", "repaired on", "repaired_on", nullable=True),
            Column(
                "letter_sent_on",
                "date",
                "修复提示函送达日期",
                "repair letter sent on",
                "letter_sent_on",
                nullable=True,
            ),
            _also("agency", "level", "作出决定的部门", "agency that decided", k, levels="agency"),
            _also("decision_number", "text", "决定书文号", "number of the decision", k),
            _also("penalty_kind", "text", "处罚种类", "kind of penalty", k),
            _also("amount", "float", "金额", "amount", k, **_MONEY),
            _also("facts", "text", "违法失信事实", "facts", k),
            _also("legal_basis", "text", "法律依据", "legal basis", k),
            _also("public_until", "date", "公示截止日期", "published until", k, future=True),
        ],
        zh="信用事件",
        required=False,
        en="credit events",
        row=Label("一个信用事件", "a credit event"),
        key=("event_id",),
        references=(_TO_ENTERPRISE,),
        orders=(
            ("happened_on", "known_on"),
            ("happened_on", "letter_sent_on"),
            ("known_on", "repaired_on"),
            ("repairable_from", "repaired_on"),
        ),
        happens_on="happened_on",
        may_be_empty=True,
    )


def _complaints() -> Table:
    k = "received_on"
    return _table(
        "complaints",
        [
            Column("complaint_id", "id", "投诉举报编号", "complaint", k),
            _enterprise(k),
            replace(_agency(k), nullable=True),
            Column("received_on", "date", "受理日期", "received on", k),
            Column(
                "channel",
                "level",
                "来源渠道",
                "complaint channel",
                k,
                levels="complaint_channel",
                nullable=True,
            ),
            Column("complainant", "id", "投诉人（散列）", "complainant (hash)", k, nullable=True),
            Column("substantiated", "flag", "是否属实", "substantiated", "substantiated_on", nullable=True),
            Column(
                "substantiated_on", "date", "核实日期", "substantiated on", "substantiated_on", nullable=True
            ),
        ],
        zh="投诉举报",
        required=False,
        en="complaints",
        row=Label("一件投诉举报", "a complaint"),
        key=("complaint_id",),
        references=(_TO_ENTERPRISE, _TO_AGENCY),
        orders=(("received_on", "substantiated_on"),),
        together=(("substantiated", "substantiated_on"),),
        happens_on="received_on",
        may_be_empty=True,
    )


def _signals() -> Table:
    k = "raised_on"
    return _table(
        "signals",
        [
            Column("signal_id", "id", "信号编号", "signal", k),
            _enterprise(k),
            _agency(k),
            Column("kind", "level", "信号类别", "kind of signal", k, levels="signal_kind"),
            Column("raised_on", "date", "发出日期", "raised on", k),
        ],
        zh="触发信号",
        required=False,
        en="signals",
        row=Label("一起事故或一次非现场预警", "an incident or an off-site alert"),
        key=("signal_id",),
        references=(_TO_ENTERPRISE, _TO_AGENCY),
        happens_on="raised_on",
        may_be_empty=True,
    )


def _tiers() -> Table:
    k = "assigned_on"
    return _table(
        "tiers",
        [
            _enterprise(k),
            Column("assigned_on", "date", "评定日期", "assigned on", k),
            Column("tier", "level", "监管等级", "tier", k, levels="tier"),
            Column("risk_level", "int", "风险等级", "risk level", k, unit="1 = low", low=1, high=4, bits=8),
            Column("credit_grade", "level", "信用等级", "credit grade", k, levels="grade"),
            Column("policy", "text", "适用方案", "policy", k),
        ],
        zh="等级评定",
        en="tier assignments",
        row=Label("一次等级评定", "a past assignment of a tier"),
        key=("enterprise_id", "assigned_on"),
        references=(_TO_ENTERPRISE,),
        required=False,
        may_be_empty=True,
    )


def _state(name: str, zh: str, en: str, unit: str = "", bits: int = 32) -> Column:
    """One integer of engine state: written by the simulator, read by nothing else."""
    return Column(name, "int", zh, en, unit=unit, nullable=True, required=False, bits=bits)


_OBLIGATION_STATE = (
    ("violation", "违法状态", "0 compliant, 1 minor, 2 moderate, 3 serious", "code", 8),
    ("since", "状态起始周", "week in which the violation began", "week", 16),
    ("found_week", "上次发现周", "week of the last finding", "week", 16),
    (
        "found_kind",
        "上次发现类别",
        "last: 0 none, 1 finding without a penalty, 2 with one, 3 guidance",
        "code",
        8,
    ),
    ("record_week", "上次处罚周", "week of the last penalty", "week", 16),
    ("record_severity", "上次处罚程度", "severity of the last penalty", "code", 8),
    ("record_until", "记录关闭周", "week in which that record closes", "week", 16),
    ("due_week", "已安排检查周", "week for which a check is arranged", "week", 16),
    ("due_channel", "已安排检查方式", "its channel and cause", "code", 8),
    ("due_age", "已推迟次数", "how often it was put off", "times", 8),
    ("merged_until", "提前合并至周", "routine draws up to this week were brought forward", "week", 16),
)
_ENTERPRISE_STATE = (
    ("left", "退出登记周", "first week no longer in the register; 32,000 for never", "week", 16),
    ("tier", "等级", "tier", "code", 8),
    ("before", "前一等级", "tier before", "code", 8),
    ("risk_level", "风险等级", "risk level", "code", 8),
    ("grade", "信用等级", "credit grade", "code", 8),
    ("tier_week", "等级起始周", "week of the last change of tier", "week", 16),
    *(
        (f"conduct_{k}", f"行为累计{k}", f"fading sum of events, part {k}", "fixed point", 32)
        for k in range(8)
    ),
    ("conduct_week", "行为累计周", "week to which the sums are faded", "week", 16),
    ("last_visit", "上次入企周", "week of the last visit", "week", 16),
    ("last_agency", "上次入企部门", "agency of the last visit", "code", 8),
    ("perceived", "感知检查率", "perceived over reference inspection rate", "2^-16", 64),
    *(
        (f"adverse_until_{k}", f"记录关闭周{k}", f"week in which a record of kind {k} closes", "week", 16)
        for k in range(len(UNINSPECTED_KINDS))
    ),
    *(
        (f"adverse_week_{k}", f"记录产生周{k}", f"week of the last record of kind {k}", "week", 16)
        for k in range(len(UNINSPECTED_KINDS))
    ),
    ("recorded", "有无不良记录", "an adverse record ever: 0 no, 1 yes, 2 not known", "code", 8),
    ("serious_week", "上次严重问题周", "week of the last serious finding", "week", 16),
)


def _truth() -> Table:
    return _table(
        "truth",
        [
            _enterprise(None),
            _agency(None),
            _item_class(None),
            Column(
                "log_hazard",
                "int",
                "对数风险率",
                "log hazard of falling into violation",
                unit="1/512",
                bits=32,
            ),
            Column(
                "hunch",
                "int",
                "未入档线索",
                "what inspectors see and records do not hold",
                unit="1/512",
                bits=32,
            ),
            Column(
                "state_by_month",
                "ints",
                "逐月状态",
                "state in the first week of each month",
                unit="0 = compliant",
                low=0,
                high=3,
                bits=8,
            ),
            *(_state(*column) for column in _OBLIGATION_STATE),
        ],
        zh="真值（监管关系）",
        en="truth of obligations",
        row=Label("一项监管关系的潜在状态", "the latent state of an obligation"),
        key=_OBLIGATION,
        references=(Reference(_OBLIGATION, "obligations"),),
        required=False,
        latent=True,
    )


def _truth_enterprises() -> Table:
    return _table(
        "truth_enterprises",
        [
            _enterprise(None),
            Column("latent", "float", "潜在倾向", "latent propensity", unit="SD", low=-10, high=10),
            *(_state(*column) for column in _ENTERPRISE_STATE),
        ],
        zh="真值（经营主体）",
        en="truth of enterprises",
        row=Label("一户经营主体的潜在状态", "the latent state of an enterprise"),
        key=("enterprise_id",),
        references=(_TO_ENTERPRISE,),
        required=False,
        latent=True,
    )


def _truth_complainants() -> Table:
    return _table(
        "truth_complainants",
        [
            Column("complainant", "id", "投诉人（散列）", "complainant (hash)"),
            Column("professional", "flag", "职业举报人", "a professional complainant"),
        ],
        zh="真值（投诉人）",
        en="truth of complainants",
        row=Label("一名投诉人", "a complainant"),
        key=("complainant",),
        required=False,
        may_be_empty=True,
        latent=True,
    )


def _truth_complaints() -> Table:
    return _table(
        "truth_complaints",
        [
            Column("complaint_id", "id", "投诉举报编号", "complaint"),
            Column("kind", "level", "性质", "what it really is", levels="complaint_kind"),
        ],
        zh="真值（投诉举报）",
        en="truth of complaints",
        row=Label("一件投诉举报的真实性质", "what a complaint really is"),
        key=("complaint_id",),
        references=(Reference(("complaint_id",), "complaints"),),
        required=False,
        may_be_empty=True,
        latent=True,
    )


def bound(table: Table, place: Place) -> Table:
    """Return a table with the values that its level columns may hold, and the ids it may have, in a place."""
    columns = {}
    for column in table:
        if column.levels:
            column = replace(column, ids=place.ids(column.levels))
        if column.credit_code and not place.credit_codes:
            column = replace(column, credit_code=False, pattern=place.id_pattern)
        columns[column.name] = column
    return replace(table, columns=MappingProxyType(columns))


@lru_cache(16)
def tables_of(place: Place) -> Mapping[str, Table]:
    """Return all tables of a dataset of a place by name, in the order in which they refer to each other.

    Examples
    --------
    >>> tables_of(SHANGHAI)["enterprises"].columns["district"].ids[:2]
    ('huangpu', 'xuhui')
    """
    return MappingProxyType({name: bound(table, place) for name, table in _DECLARED.items()})


_DECLARED: Mapping[str, Table] = {
    table.name: table
    for table in (
        _enterprises(),
        _agencies(),
        _items(),
        _obligations(),
        _inspections(),
        _credit_events(),
        _complaints(),
        _signals(),
        _tiers(),
        _truth(),
        _truth_enterprises(),
        _truth_complainants(),
        _truth_complaints(),
    )
}

TABLES: Mapping[str, Table] = tables_of(SHANGHAI)
"""The tables of Shanghai. Names, types and links are the same in every place; allowed values may differ."""
