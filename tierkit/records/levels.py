"""Every closed set of values that is the same in every place: ids in engine order, labels in both languages.

Sectors, districts and agencies belong to a place (`tierkit.records.places`). Sizes and ownerships stand here:
they are national classifications, and the engine and the baselines treat some of them by name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tierkit.records.credit_events import CREDIT_EVENTS
from tierkit.records.label import Label

__all__ = [
    "AGENCY_LEVELS",
    "CHANNELS",
    "COMPLAINT_CHANNELS",
    "COMPLAINT_KINDS",
    "DISPOSITIONS",
    "FINDINGS",
    "FIRST_PENALTY",
    "GRADES",
    "INDUSTRY_SECTIONS",
    "ITEM_CLASSES",
    "LEVELS",
    "MODES",
    "OWNERSHIPS",
    "PLANNED_CHANNELS",
    "SEVERITIES",
    "SIGNAL_KINDS",
    "SIZES",
    "TIERS",
    "TIER_NAMES",
]


def _labels(text: str) -> Mapping[str, Label]:
    """Read lines of ``id | Chinese | English``; the order of the lines is the order of the codes."""
    rows = (line.split("|") for line in text.strip().splitlines())
    return MappingProxyType({i.strip(): Label(zh.strip(), en.strip()) for i, zh, en in rows})


LEVELS: Mapping[str, Mapping[str, Label]] = MappingProxyType(
    {
        "size": _labels("""
            micro  | 微型 | micro
            small  | 小型 | small
            medium | 中型 | medium
            large  | 大型 | large
        """),
        "ownership": _labels("""
            private    | 私营       | private
            state      | 国有集体   | state and collective
            foreign    | 外资       | foreign
            hmt        | 港澳台资   | Hong Kong, Macao and Taiwan
            individual | 个体工商户 | individual business
        """),
        "agency_level": _labels("""
            municipal | 市级 | municipal
            district  | 区级 | district
        """),
        "item_class": _labels("""
            general | 一般事项 | general
            key     | 重点事项 | key
        """),
        "channel": _labels("""
            random     | 基准抽样 | equal-chance audit
            trigger    | 触发式   | trigger
            followup   | 复查     | follow-up
            campaign   | 上级部署 | campaign
            commitment | 承诺核查 | commitment check
            routine    | 计划     | routine
        """),
        "mode": _labels("""
            onsite  | 现场   | on site
            joint   | 联合   | joint
            offsite | 非现场 | off site
        """),
        "finding": _labels("""
            none     | 未发现问题 | none
            minor    | 轻微       | minor
            moderate | 一般       | moderate
            serious  | 严重       | serious
        """),
        "severity": _labels("""
            minor    | 轻微 | minor
            moderate | 一般 | moderate
            serious  | 严重 | serious
        """),
        "disposition": _labels("""
            none      | 无           | none
            warned    | 警示告诫     | warned
            rectified | 责令改正     | rectified
            penalised | 行政处罚     | penalised
            sealed    | 行政处罚并查封扣押 | penalised, with seizure
        """),
        "event_kind": MappingProxyType({one.kind: one.label for one in CREDIT_EVENTS.values()}),
        "signal_kind": _labels("""
            incident      | 事故     | incident
            offsite_alert | 非现场预警 | off-site alert
        """),
        "complaint_channel": _labels("""
            hotline  | 12345热线 | hotline
            platform | 网络平台  | platform
            letter   | 来信      | letter
        """),
        "complaint_kind": _labels("""
            true         | 属实     | true
            mistaken     | 误报     | mistaken
            professional | 职业举报 | professional
        """),
        "grade": _labels("""
            A | A级 | A
            B | B级 | B
            C | C级 | C
            D | D级 | D
        """),
        "tier": _labels("""
            T1 | 第一级 | first tier
            T2 | 第二级 | second tier
            T3 | 第三级 | third tier
            T4 | 第四级 | fourth tier
        """),
        "decision": _labels("""
            agree    | 同意     | agree
            override | 另定等级 | another tier
            correct  | 退回更正 | send back for correction
        """),
        "industry_section": _labels("""
            A | 农、林、牧、渔业                   | agriculture, forestry and fishery
            B | 采矿业                             | mining
            C | 制造业                             | manufacturing
            D | 电力、热力、燃气及水生产和供应业   | electricity, heat, gas and water supply
            E | 建筑业                             | construction
            F | 批发和零售业                       | wholesale and retail
            G | 交通运输、仓储和邮政业             | transport, storage and post
            H | 住宿和餐饮业                       | accommodation and catering
            I | 信息传输、软件和信息技术服务业     | information and software
            J | 金融业                             | finance
            K | 房地产业                           | real estate
            L | 租赁和商务服务业                   | leasing and business services
            M | 科学研究和技术服务业               | research and technical services
            N | 水利、环境和公共设施管理业         | water, environment and public facilities
            O | 居民服务、修理和其他服务业         | residents' and repair services
            P | 教育                               | education
            Q | 卫生和社会工作                     | health and social work
            R | 文化、体育和娱乐业                 | culture, sport and entertainment
            S | 公共管理、社会保障和社会组织       | public administration and social organisations
            T | 国际组织                           | international organisations
        """),
    }
)
"""Level set → id → label; the position of an id is its integer code in the engine.

Those of a place, with these beside them, are `Place.levels`."""

AGENCY_LEVELS = tuple(LEVELS["agency_level"])
CHANNELS = tuple(LEVELS["channel"])
COMPLAINT_CHANNELS = tuple(LEVELS["complaint_channel"])
COMPLAINT_KINDS = tuple(LEVELS["complaint_kind"])
DISPOSITIONS = tuple(LEVELS["disposition"])
FIRST_PENALTY = DISPOSITIONS.index("penalised")
"""Code of the disposition from which on they are penalties."""
FINDINGS = tuple(LEVELS["finding"])
GRADES = tuple(LEVELS["grade"])
INDUSTRY_SECTIONS = tuple(LEVELS["industry_section"])
ITEM_CLASSES = tuple(LEVELS["item_class"])
MODES = tuple(LEVELS["mode"])
OWNERSHIPS = tuple(LEVELS["ownership"])
PLANNED_CHANNELS = ("random", "campaign", "commitment", "routine")
SEVERITIES = tuple(LEVELS["severity"])
SIGNAL_KINDS = tuple(LEVELS["signal_kind"])
SIZES = tuple(LEVELS["size"])
TIERS = tuple(LEVELS["tier"])
TIER_NAMES = tuple(LEVELS["tier"].values())
"""What tiers are called where no document has a word for them."""
