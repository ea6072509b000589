"""Every closed set of values, once: ids in engine order, labels in Chinese and English."""

from collections.abc import Mapping
from types import MappingProxyType

from tierkit.records.credit_events import CREDIT_EVENTS
from tierkit.records.label import Label

__all__ = [
    "AGENCIES",
    "AGENCY_LEVELS",
    "CHANNELS",
    "COMPLAINT_CHANNELS",
    "COMPLAINT_KINDS",
    "CORE_AGENCIES",
    "DISPOSITIONS",
    "DISTRICTS",
    "FINDINGS",
    "FIRST_PENALTY",
    "GRADES",
    "INDUSTRY_SECTIONS",
    "ITEMS",
    "ITEM_CLASSES",
    "LEVELS",
    "MODES",
    "OWNERSHIPS",
    "PLANNED_CHANNELS",
    "SECTORS",
    "SEVERITIES",
    "SIGNAL_KINDS",
    "SIZES",
    "TIERS",
]


def _labels(text: str) -> Mapping[str, Label]:
    """Read lines of ``id | Chinese | English``; the order of the lines is the order of the codes."""
    rows = (line.split("|") for line in text.strip().splitlines())
    return MappingProxyType({i.strip(): Label(zh.strip(), en.strip()) for i, zh, en in rows})


LEVELS: Mapping[str, Mapping[str, Label]] = MappingProxyType(
    {
        "sector": _labels("""
            retail             | 批发零售     | retail and wholesale
            manufacturing      | 制造业       | manufacturing
            business_services  | 商务服务     | business services
            other_services     | 其他服务     | other services
            ict                | 信息与电商   | ICT and e-commerce
            catering           | 餐饮         | catering
            construction       | 建筑施工     | construction
            food               | 食品生产销售 | food production and sale
            transport          | 交通运输     | transport
            culture            | 文化旅游     | culture and tourism
            labour_dispatch    | 劳务派遣     | labour dispatch
            drugs              | 药品         | drugs
            hazardous_chemicals| 危险化学品   | hazardous chemicals
            gas                | 燃气         | gas
            special_equipment  | 特种设备     | special equipment
            ecology            | 生态环境     | ecology
        """),
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
        "district": _labels("""
            huangpu   | 黄浦区   | Huangpu
            xuhui     | 徐汇区   | Xuhui
            changning | 长宁区   | Changning
            jingan    | 静安区   | Jing'an
            putuo     | 普陀区   | Putuo
            hongkou   | 虹口区   | Hongkou
            yangpu    | 杨浦区   | Yangpu
            minhang   | 闵行区   | Minhang
            baoshan   | 宝山区   | Baoshan
            jiading   | 嘉定区   | Jiading
            pudong    | 浦东新区 | Pudong
            jinshan   | 金山区   | Jinshan
            songjiang | 松江区   | Songjiang
            qingpu    | 青浦区   | Qingpu
            fengxian  | 奉贤区   | Fengxian
            chongming | 崇明区   | Chongming
        """),
        "agency": _labels("""
            market_regulation | 市场监管 | market regulation
            fire              | 消防救援 | fire and rescue
            emergency         | 应急管理 | emergency management
            ecology           | 生态环境 | ecology and environment
            construction      | 住房建设 | housing and construction
            transport         | 交通运输 | transport
            health            | 卫生健康 | health
            culture           | 文化旅游 | culture and tourism
            labour            | 人力社保 | labour and social security
            urban_management  | 城市管理 | urban management
            agriculture       | 农业农村 | agriculture
            water             | 水务     | water
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
            random     | 双随机   | random audit
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
            sealed    | 查封扣押     | sealed
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
            T1 | 无事不扰 | undisturbed
            T2 | 低频监管 | light watch
            T3 | 常规监管 | regular watch
            T4 | 重点关注 | close watch
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
"""Level set → id → label; the position of an id is its integer code in the engine."""

AGENCIES = tuple(LEVELS["agency"])
AGENCY_LEVELS = tuple(LEVELS["agency_level"])
CHANNELS = tuple(LEVELS["channel"])
COMPLAINT_CHANNELS = tuple(LEVELS["complaint_channel"])
COMPLAINT_KINDS = tuple(LEVELS["complaint_kind"])
CORE_AGENCIES = AGENCIES[:9]
DISPOSITIONS = tuple(LEVELS["disposition"])
DISTRICTS = tuple(LEVELS["district"])
FIRST_PENALTY = DISPOSITIONS.index("penalised")
"""Code of the disposition from which on they are penalties."""
FINDINGS = tuple(LEVELS["finding"])
GRADES = tuple(LEVELS["grade"])
INDUSTRY_SECTIONS = tuple(LEVELS["industry_section"])
ITEM_CLASSES = tuple(LEVELS["item_class"])
ITEMS = tuple(f"{agency}-{kind}" for agency in AGENCIES for kind in ("g1", "g2", "g3", "k1", "k2"))
"""Items of the simulator's agencies: three general and two key ones of each."""
MODES = tuple(LEVELS["mode"])
OWNERSHIPS = tuple(LEVELS["ownership"])
PLANNED_CHANNELS = ("random", "campaign", "commitment", "routine")
SECTORS = tuple(LEVELS["sector"])
SEVERITIES = tuple(LEVELS["severity"])
SIGNAL_KINDS = tuple(LEVELS["signal_kind"])
SIZES = tuple(LEVELS["size"])
TIERS = tuple(LEVELS["tier"])
