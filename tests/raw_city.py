"""A made-up city's files as its systems might export them: no real enterprise, person or office."""

import csv
import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

from tierkit.records import credit_code

DISTRICTS = {"桥头区": "690101", "河湾区": "690102", "山前县": "690121"}
TRADES = {
    "H6210": ("正餐服务", "餐饮"),
    "F5211": ("百货零售", "商贸"),
    "C3311": ("金属结构制造", "制造"),
    "G5430": ("道路货物运输", "物流"),
}
AGENCIES = {
    "市场监督管理局": ("登记事项检查", "食品安全监督检查"),
    "消防救援大队": ("消防安全检查",),
    "应急管理局": ("安全生产检查", "危化品检查"),
}
LAST = date(2024, 12, 30)
Rows = dict[str, tuple[list[str], list[list[str]]]]


def day(number: date, rng: random.Random) -> str:
    """Return a day as one of four systems writes it."""
    y, m, d = number.year, number.month, number.day
    forms = [f"{y}-{m:02}-{d:02}", f"{y}/{m}/{d}", f"{y}{m:02}{d:02}", f"{y}年{m}月{d}日"]
    return rng.choice(forms)


def rows(enterprises: int = 150, inspections: int = 1_100, seed: int = 7) -> Rows:
    """Return the header and rows of each file."""
    rng = random.Random(seed)
    towns = list(DISTRICTS)
    people: list[dict[str, str]] = []
    for k in range(enterprises):
        district, trade = towns[k % 3], list(TRADES)[k % 4]
        name, what = TRADES[trade]
        code = credit_code.make([k], division=DISTRICTS[district], category="12"[k % 5 == 0]).iloc[0]
        people.append(
            {
                "统一社会信用代码": code,
                "企业名称": f"云溪{'甲乙丙丁戊己庚辛'[k % 8]}{k // 8 + 1}号{what}有限公司",
                "企业类型": "个体工商户"
                if k % 5 == 0
                else rng.choice(["有限责任公司(自然人独资)", "国有独资"]),
                "行业代码": "" if k % 40 == 7 else trade,
                "行业名称": name,
                "注册日期": day(date(2001, 1, 1) + timedelta(days=37 * k), rng),
                "注册资本(万元)": rng.choice(["50", "1,000", "200.00", "100万元人民币", ""]),
                "所属区县": district,
                "从业人数": rng.choice(["", "5", "38"]),
                "注销日期": day(date(2023, 5, 1) + timedelta(days=k), rng) if k % 30 == 11 else "",
            }
        )
    register = [list(one.values()) for one in people]
    register.append(list(people[3].values()))  # the same row again
    other = dict(people[4], **{"注册资本(万元)": "77"})
    register.append(list(other.values()))  # another capital
    register.append(["", "云溪无码商贸有限公司", *list(people[1].values())[2:]])
    visits, fines, calls = [], [], []
    for k in range(inspections):
        who = rng.randrange(enterprises)
        one, bad = people[who], rng.random() < (0.45 if who % 4 == 0 else 0.1)
        on = date(2022, 6, 1) + timedelta(days=rng.randrange((LAST - date(2022, 6, 1)).days + 1))
        agency = rng.choice(list(AGENCIES))
        fine = rng.choice(["", "", "500", "8000", "30000"]) if bad else ""
        code = "" if k % 50 == 9 else one["统一社会信用代码"]
        result = rng.choice(["不合格", "责令整改"]) if bad else rng.choice(["合格", "未发现问题"])
        kind = rng.choice(["日常检查", "专项检查", "投诉举报核查", ""])
        visits.append(
            [
                f"YX{k:06}",
                code,
                one["企业名称"],
                day(on, rng),
                agency,
                rng.choice(AGENCIES[agency]),
                kind,
                result,
                fine,
            ]
        )
        if fine:
            until = day(on + timedelta(days=400), rng)
            number = f"云{agency[0]}罚〔{on.year}〕{len(fines) + 1}号"
            told = day(min(on + timedelta(days=9), LAST), rng)
            fines.append(
                [
                    number,
                    code,
                    one["企业名称"],
                    "未按规定公示",
                    "罚款",
                    str(int(fine) / 1e4),
                    agency,
                    told,
                    until,
                ]
            )
        if k % 9 == 0:
            answered = (
                ["", ""]
                if k % 27 == 0
                else [rng.choice(["属实", "不属实"]), day(min(on + timedelta(days=15), LAST), rng)]
            )
            calls.append(
                [
                    f"GD{k:06}",
                    code,
                    one["企业名称"],
                    f"{on.isoformat()} 10:30",
                    rng.choice(["12345热线", "网络"]),
                    agency,
                    *answered,
                ]
            )
    visits.append(visits[5])
    visits.append(
        [
            "YX999999",
            "91690101TK99999999",
            "",
            "2024/2/3",
            "应急管理局",
            "安全生产检查",
            "日常检查",
            "合格",
            "",
        ]
    )
    return {
        "enterprises.csv": (list(people[0]), register),
        "inspections.csv": (
            [
                "检查编号",
                "统一社会信用代码",
                "企业名称",
                "检查日期",
                "检查部门",
                "检查事项",
                "检查类型",
                "检查结果",
                "处罚金额",
            ],
            visits,
        ),
        "penalties.csv": (
            [
                "处罚决定书文号",
                "行政相对人代码",
                "行政相对人名称",
                "违法事实",
                "处罚类别",
                "罚款金额(万元)",
                "处罚机关",
                "处罚决定日期",
                "公示截止日期",
            ],
            fines,
        ),
        "complaints.csv": (
            [
                "工单编号",
                "统一社会信用代码",
                "被诉主体",
                "受理时间",
                "来源",
                "承办部门",
                "是否属实",
                "办结日期",
            ],
            calls,
        ),
    }


def write(
    folder: Path,
    content: Rows | None = None,
    *,
    encoding: str = "gb18030",
    parts: int = 1,
    shuffle: int | None = None,
    renamed: Mapping[str, str] | Callable[[str], str] | None = None,
) -> Path:
    """Write the files into a folder, if need be shuffled, in parts, in another encoding, renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(shuffle)
    rename = renamed if callable(renamed) else (renamed or {}).get
    for name, (header, lines) in (rows() if content is None else content).items():
        lines = list(lines)
        if shuffle is not None:
            rng.shuffle(lines)
        for part in range(parts):
            target = folder / (name if parts == 1 else f"{name.removesuffix('.csv')}_{part}.csv")
            with target.open("w", encoding=encoding, newline="") as file:
                writer = csv.writer(file)
                writer.writerow([rename(one) or one for one in header])
                writer.writerows(lines[part::parts])
    return folder


def decided(text: str) -> str:
    """Return a drafted mapping as a person leaves it: fines are in yuan, all else as proposed."""
    return text.replace('unit = "?"', 'unit = "元"')
