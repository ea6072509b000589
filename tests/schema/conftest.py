"""A dataset small enough to be read: four enterprises, every table, nothing wrong with it."""

import functools
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tierkit.records import TABLES, Dataset, conform, credit_code

A, B, C, D = IDS = credit_code.make([1, 2, 3, 4], "310116").tolist()

TEXTS = {
    "enterprises": f"""
enterprise_id;name;sector;size;registered_on;registered_capital;employees;tags;commitment;closed_on
{A};上海甲商贸有限公司;retail;micro;2015-03-02;100;4;老字号;false;
{B};乙餐饮店;catering;micro;2021-01-29;0.5;2;;true;2024-06-30
{C};丙 & <b>化工</b>;hazardous_chemicals;large;2019-12-31;5e4;320;重点排污|危化;false;
{D};=CMD() 丁;ict;small;2024-02-29;10;0;;true;
""",
    "agencies": """
agency;name_zh;name_en;level;core;capacity
market_regulation;市场监管局;Market Regulation;municipal;true;40
fire;消防救援局;Fire and Rescue;district;true;12
""",
    "items": """
item;agency;item_class;name_zh;name_en;minutes;offsite;sectors;legal_basis
market_regulation-g1;market_regulation;general;公示;Filing;60;true;;条例第九条
fire-k1;fire;key;消防通道;Exits;90;false;catering|gas;消防法第十六条
""",
    "obligations": f"""
enterprise_id;agency;item_class;item;valid_from;valid_to
{A};market_regulation;general;market_regulation-g1;2015-03-02;
{B};market_regulation;general;market_regulation-g1;2021-01-29;
{C};market_regulation;general;market_regulation-g1;2019-12-31;
{D};market_regulation;general;market_regulation-g1;2024-02-29;
{B};fire;key;fire-k1;2021-02-01;2024-06-30
{C};fire;key;fire-k1;2020-01-01;2026-01-01
""",
    "inspections": f"""
check_code;visit_id;enterprise_id;agency;item_class;inspected_on;channel;mode;finding;disposition;decided_on
X1;V1;{B};fire;key;2023-05-08;trigger;onsite;minor;rectified;2023-05-20
X2;V2;{C};fire;key;2023-06-05;random;onsite;serious;penalised;2023-07-01
X3;V3;{A};market_regulation;general;2024-07-01;routine;offsite;none;none;
X4;V2;{C};market_regulation;general;2024-12-30;routine;joint;minor;none;
""",
    "credit_events": f"""
event_id;enterprise_id;kind;severity;happened_on;known_on;repairable_from;repaired_on;letter_sent_on
E1;{C};penalty;serious;2023-07-01;2023-07-08;2024-07-01;2024-07-02;2023-07-01
E2;{B};abnormal_list;minor;2023-07-03;2023-07-03;;;
E3;{A};honour;minor;2022-01-01;2022-01-05;;;
""",
    "complaints": f"""
complaint_id;enterprise_id;agency;received_on;channel;complainant;substantiated;substantiated_on
C1;{B};fire;2023-05-01;hotline;9f2c;true;2023-05-08
C2;{B};market_regulation;2024-12-28;platform;77aa;;
""",
    "signals": f"""
signal_id;enterprise_id;agency;kind;raised_on
S1;{C};fire;incident;2023-05-30
""",
    "tiers": f"""
enterprise_id;assigned_on;tier;risk_level;credit_grade;policy
{A};2024-09-30;T1;1;A;legacy
{C};2024-09-30;T4;4;D;legacy
{C};2024-06-30;T3;3;C;legacy
""",
    "truth_complainants": """
complainant;professional
9f2c;false
77aa;true
""",
    "truth_complaints": """
complaint_id;kind
C1;true
C2;professional
""",
}
REST: dict[str, dict[str, Any]] = {
    "enterprises": {
        "district": "huangpu",
        "town": "外滩街道",
        "industry_section": "F",
        "industry_division": "52",
        "ownership": "private",
    },
    "inspections": {
        "rating": [None, 4, None, None],
        "rated_on": [None, "2023-06-09", None, None],
        "propensity": [None, 0.01, 1e-4, 0.02],
        "served_share": [None, 1.0, 0.8, 1.0],
        "policy": "legacy",
        "inspector": ["fire-1", "fire-2", "market_regulation-6", "market_regulation-1"],
    },
}


@functools.cache
def build() -> Dataset:
    tables = {}
    for name, text in TEXTS.items():
        head, *lines = (line.split(";") for line in text.strip().split("\n"))
        listed = {"tags", "sectors"}
        cells = [
            [c or (None if n not in listed else "") for n, c in zip(head, line, strict=True)]
            for line in lines
        ]
        tables[name] = conform(pd.DataFrame(cells, columns=head).assign(**REST.get(name, {})), name)
    keys = tables["obligations"][list(TABLES["truth"].key)]
    tables["truth"] = conform(keys.assign(log_hazard=-2048, hunch=5, state_by_month=[[0, 1, 3]] * 6), "truth")
    latent = pd.DataFrame({"enterprise_id": IDS, "latent": 0.25})
    tables["truth_enterprises"] = conform(latent, "truth_enterprises")
    return Dataset(tables, {"as_of": "2024-12-30", "seed": 7})


@pytest.fixture
def small() -> Dataset:
    good = build()
    return Dataset({name: frame.copy() for name, frame in good.items()}, good.manifest)


@pytest.fixture(scope="session")  # a function, the same for all
def broken() -> Callable[..., Dataset]:
    """Return the small dataset with cells changed: (table, column, row from 1, value) each."""

    def change(*cells: tuple[str, str, int, Any]) -> Dataset:
        good = build()
        tables = {name: frame.copy() for name, frame in good.items()}
        for table, column, row, value in cells:
            values = list(tables[table][column].astype(object))
            values[row - 1] = value
            tables[table][column] = pd.Series(values, dtype=object)
        return Dataset(tables, good.manifest)

    return change
