"""Validation: each failure by its message, all of them at once, and none where there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import calls

from tierkit.records import (
    SHANGHAI,
    TABLES,
    DataError,
    Dataset,
    Problem,
    conform,
    credit_code,
    empty,
    problems_table,
    row_problems,
    validate,
    write_dataset,
)
from tierkit.records import validation as validation_module
from tierkit.records.cells import raw_cells
from tierkit.records.dataset import arrow_table
from tierkit.records.files import save_file
from tierkit.records.validation import errors_of

A, B, C, D = credit_code.make([1, 2, 3, 4], "310116")
STRANGER = credit_code.make([99]).iloc[0]
NAN, INF = float("nan"), float("inf")
DAY = "Write a calendar date as YYYY-MM-DD"
SPAN = "Correct it: from 1949-10-01 to 2100-12-31"
FUTURE = "Correct it, or leave out what was recorded after the as_of of the manifest, 2024-12-30"
EITHER = "Correct the one or the other"
BOTH = "Fill in both, or neither"
ALONE = "is filled without {}, or the other way round"
ADD = "Add it to {}, or take the row out"
MUST = "Correct it: it must be"
DIGITS = "Write a whole number, in digits only"
EMPTY = "has no value (1 row, row 2: empty). Fill it in; this column may not be empty"
CODE = "is not a unified social credit code: its check character or its form is wrong"
FORM = "Correct it: 18 characters as GB 32100-2015 has them"

# what is put in row 2 of which column, and what is said of it after "table.column: "
CELLS: list[tuple[str, Any, str]] = [
    ("agencies.level", None, EMPTY),
    ("agencies.core", None, EMPTY),
    ("agencies.capacity", 2.5, f"is not a whole number (1 row, row 2: 2.5). {DIGITS}"),
    ("agencies.capacity", INF, f"is not a whole number (1 row, row 2: inf). {DIGITS}"),
    (
        "agencies.capacity",
        -1,
        f"is out of range (1 row, row 2: -1). {MUST} from 0 to 1,000,000,000 (inspections/week)",
    ),
    ("agencies.core", "perhaps", "is neither true nor false (1 row, row 2: 'perhaps'). Write true or false"),
    ("agencies.name_zh", " ", "is blank (1 row, row 2: ' '). Fill it in"),
    ("enterprises.park", "", "is blank (1 row, row 2: ''). Leave it out altogether if it is not known"),
    (
        "enterprises.registered_capital",
        1e308,
        f"is out of range (1 row, row 2: 1e+308). {MUST} from 0 to 1,000,000,000 (10k CNY)",
    ),
    (
        "enterprises.registered_capital",
        -INF,
        "is not a finite number (1 row, row 2: -inf). Correct it, or leave it empty if it is not known",
    ),
    (
        "enterprises.industry_division",
        "5",
        "does not have the declared form (1 row, row 2: '5'). Correct it: it must match ^[0-9]{2}$",
    ),
    (
        "enterprises.size",
        "huge",
        "is not a declared level (1 row, row 2: 'huge'). Use one of micro, small, medium, large",
    ),
    (
        "enterprises.tags",
        ["a|b"],
        "has an entry that holds '|' (1 row, row 2: ['a|b'])."
        " Take it out: it parts the entries of a list in CSV",
    ),
    ("enterprises.registered_on", "2021-02-29", f"is not a date (1 row, row 2: '2021-02-29'). {DAY}"),
    (
        "enterprises.registered_on",
        "1949-09-30",
        f"is an impossible date (1 row, row 2: '1949-09-30'). {SPAN}",
    ),
    (
        "enterprises.closed_on",
        "2020-01-01",
        f"lies before registered_on (1 row, row 2: '2020-01-01', registered_on 2021-01-29). {EITHER}",
    ),
    ("items.minutes", 0, f"is out of range (1 row, row 2: 0). {MUST} from 1 to 10,080 (minutes)"),
    (
        "items.sectors",
        ["oil"],
        "has an entry that is not a declared level (1 row, row 2: ['oil'])."
        f" Use one of {', '.join(SHANGHAI.levels['sector'])}",
    ),
    (
        "obligations.valid_to",
        "2020-01-01",
        f"lies before valid_from (1 row, row 2: '2020-01-01', valid_from 2021-01-29). {EITHER}",
    ),
    ("obligations.item", "gas-k9", f"is not in items (1 row, row 2: 'gas-k9'). {ADD.format('items')}"),
    (
        "inspections.inspected_on",
        "2019-01-01",
        f"lies before the registration of the enterprise (1 row, row 2: 2019-01-01, enterprise_id '{C}')."
        " Correct the one date or the other",
    ),
    (
        "inspections.decided_on",
        "2023-06-04",
        f"lies before inspected_on (1 row, row 2: '2023-06-04', inspected_on 2023-06-05). {EITHER}",
    ),
    (
        "inspections.decided_on",
        None,
        "disposition: is not none, yet decided_on is empty (1 row, row 2: 'penalised', decided_on empty)."
        " Fill in decided_on, or write none",
    ),
    ("inspections.decided_on", "2024-12-31", f"lies in the future (1 row, row 2: '2024-12-31'). {FUTURE}"),
    (
        "inspections.rated_on",
        "2023-06-04",
        f"lies before inspected_on (1 row, row 2: '2023-06-04', inspected_on 2023-06-05). {EITHER}",
    ),
    (
        "inspections.rated_on",
        None,
        f"rating: {ALONE.format('rated_on')} (1 row, row 2: 4, rated_on empty). {BOTH}",
    ),
    ("inspections.rating", 6, f"is out of range (1 row, row 2: 6). {MUST} from 1 to 5 (1–5)"),
    (
        "inspections.propensity",
        0.0,
        f"is out of range (1 row, row 2: 0.0). {MUST} above 0 to 1 (probability)",
    ),
    (
        "inspections.propensity",
        1.5,
        f"is out of range (1 row, row 2: 1.5). {MUST} above 0 to 1 (probability)",
    ),
    ("inspections.check_code", "X1", "repeats a key (1 row, row 2: 'X1'). Keep one row for each check_code"),
    (
        "inspections.check_code",
        "X 2",
        "is not an identifier: it is blank, has blanks or control characters, or is too long"
        " (1 row, row 2: 'X 2'). Use 1 to 64 visible characters without blanks",
    ),
    (
        "inspections.enterprise_id",
        STRANGER,
        f"is not in enterprises (1 row, row 2: '{STRANGER}'). {ADD.format('enterprises')}",
    ),
    (
        "inspections.enterprise_id",
        A,
        f"is not in obligations (1 row, row 2: '{A}', agency 'fire', item_class 'key')."
        " Add it to obligations, or take the row out",
    ),
    ("inspections.agency", "water", f"is not in agencies (1 row, row 2: 'water'). {ADD.format('agencies')}"),
    (
        "credit_events.known_on",
        "2023-07-02",
        f"lies before happened_on (1 row, row 2: '2023-07-02', happened_on 2023-07-03). {EITHER}",
    ),
    (
        "credit_events.repaired_on",
        "2023-07-02",
        f"lies before known_on (1 row, row 2: '2023-07-02', known_on 2023-07-03). {EITHER}",
    ),
    (
        "credit_events.letter_sent_on",
        "2023-07-02",
        f"lies before happened_on (1 row, row 2: '2023-07-02', happened_on 2023-07-03). {EITHER}",
    ),
    (
        "complaints.substantiated",
        True,
        f"{ALONE.format('substantiated_on')} (1 row, row 2: True, substantiated_on empty). {BOTH}",
    ),
    ("tiers.tier", "T5", "is not a declared level (1 row, row 2: 'T5'). Use one of T1, T2, T3, T4"),
    (
        "tiers.assigned_on",
        "2024-06-30",
        f"enterprise_id: repeats a key (1 row, row 3: '{C}', assigned_on 2024-06-30)."
        " Keep one row for each enterprise_id × assigned_on",
    ),
    (
        "truth.state_by_month",
        [0, 4],
        f"has an entry that is out of range (1 row, row 2: [0, 4]). {MUST} from 0 to 3 (0 = compliant)",
    ),
    (
        "truth_complaints.complaint_id",
        "C9",
        f"is not in complaints (1 row, row 2: 'C9'). {ADD.format('complaints')}",
    ),
]


def place(text: str, message: str) -> str:
    """Return the whole line: the column that was changed, unless the message names another."""
    table, column = text.split(".")
    first = message.split(": ")[0]
    return f"{table}.{message}" if first in TABLES[table].columns else f"{table}.{column}: {message}"


def test_nothing_is_wrong_with_what_is_right(small: Dataset) -> None:
    assert validate(small) == []
    assert validate(dict(small)) == []
    assert all((row_problems(frame, name) == "").all() for name, frame in small.items())
    honest = small.without(name for name, table in TABLES.items() if not table.required)
    assert validate(honest) == []


@pytest.mark.parametrize(("where", "value", "message"), CELLS, ids=[f"{w}={v!s:.12}" for w, v, _ in CELLS])
def test_one_wrong_cell_gives_one_problem(
    broken: Callable[..., Dataset], where: str, value: Any, message: str
) -> None:
    data = broken((*where.split("."), 2, value))
    assert [str(problem) for problem in errors_of(validate(data))] == [place(where, message)]


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_all_failures_come_at_once_however_the_rows_are_cut(
    broken: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    apart = {
        "enterprises.closed_on",
        "inspections.inspected_on",
        "inspections.agency",
        "credit_events.repaired_on",
    }
    chosen = {where: (value, message) for where, value, message in reversed(CELLS) if where not in apart}
    data = broken(*((*where.split("."), 2, value) for where, (value, _) in chosen.items()))
    whole = errors_of(validate(data))
    assert sorted(map(str, whole)) == sorted(place(where, message) for where, (_, message) in chosen.items())
    assert len(whole) > 20
    monkeypatch.setattr(validation_module, "CHUNK", chunk)
    assert sorted(map(str, errors_of(validate(data)))) == sorted(map(str, whole))


@pytest.mark.parametrize("format", ["parquet", "csv", "csv.gz"])
def test_files_give_the_problems_of_frames(
    small: Dataset, broken: Callable[..., Dataset], tmp_path: Path, format: str
) -> None:
    cells = [
        ("enterprises", "registered_capital", 2, 1e308),
        ("enterprises", "enterprise_id", 4, "91310116TK00000040"),
        ("inspections", "inspected_on", 1, "2030-01-01"),
        ("complaints", "complaint_id", 2, "C1"),
        ("truth_complaints", "complaint_id", 2, "C1"),
    ]
    data = broken(*cells)
    with pytest.raises(DataError, match="3 problems"):  # of those a single cell shows
        write_dataset(data, tmp_path / "refused", format)
    assert not (tmp_path / "refused").exists()
    for name, frame in data.items():
        save_file(arrow_table(frame, name), TABLES[name], tmp_path / f"{name}.{format}", format)
    (tmp_path / "manifest.json").write_text('{"as_of": "2024-12-30"}', encoding="utf-8")
    from_memory, from_file = errors_of(validate(data)), errors_of(validate(tmp_path))
    key = [(p.table, p.column, p.rows, p.message, p.remedy) for p in from_memory]
    assert [(p.table, p.column, p.rows, p.message, p.remedy) for p in from_file] == key
    assert [p.column for p in from_memory if p.table == "complaints"] == ["complaint_id"]
    assert len(key) == 8


def test_bad_check_characters_are_counted_with_three_examples(broken: Callable[..., Dataset]) -> None:
    wrong = [code[:-1] + ("0" if code[-1] != "0" else "1") for code in (A, B, C, D)]
    data = broken(*(("enterprises", "enterprise_id", row + 1, code) for row, code in enumerate(wrong)))
    problem = validate({"enterprises": data["enterprises"]})[-1]
    assert problem == Problem(
        "enterprises",
        "enterprise_id",
        4,
        (f"row 1: '{wrong[0]}'", f"row 2: '{wrong[1]}'", f"row 3: '{wrong[2]}'"),
        CODE,
        FORM,
    )
    seen = "; ".join(f"row {row + 1}: '{code}'" for row, code in enumerate(wrong[:3]))
    assert str(problem) == f"enterprises.enterprise_id: {CODE} (4 rows, {seen}). {FORM}"


def test_columns_that_are_missing_extra_or_of_another_type(small: Dataset) -> None:
    complaints = small["complaints"].rename(columns={"channel": "via"}).assign(received_on=20240101)
    tiers = pd.concat([small["tiers"], small["tiers"][["tier"]]], axis=1)
    data = dict(small) | {"complaints": complaints, "tiers": tiers, "notes": pd.DataFrame()}
    del data["inspections"]
    names = ", ".join(TABLES["complaints"].columns)
    assert [str(problem) for problem in validate(data)] == [
        f"notes: is not a declared table. Take it out; the tables are {', '.join(TABLES)}",
        "inspections: is a table that is missing. "
        "Add inspections.parquet, inspections.csv or inspections.csv.gz",
        f"complaints.via: is not a declared column. Take it out, or rename it; the columns are {names}",
        "complaints.received_on: is of type int64, not a date without time zone (2 rows). Store it as date",
        "complaints.channel: is a column that is missing. Add it, with a level in each row, or empty cells",
        "tiers.tier: is there more than once. Keep one of them",
    ]


def test_an_empty_table_is_wrong_where_nothing_can_be_done_without_it(small: Dataset) -> None:
    data = Dataset(dict(small) | {name: empty(name) for name in TABLES}, small.manifest)
    problems = validate(data)
    assert [p.table for p in problems] == [
        "enterprises",
        "agencies",
        "items",
        "obligations",
        "truth",
        "truth_enterprises",
    ]
    assert {str(p).split(": ")[1] for p in problems} == {
        "has no rows. Fill it; nothing can be done without it"
    }
    events = (
        "inspections",
        "credit_events",
        "complaints",
        "signals",
        "tiers",
        "truth_complaints",
        "truth_complainants",
    )
    assert validate(Dataset(dict(small) | {name: empty(name) for name in events}, small.manifest)) == []


def test_a_reference_is_not_checked_against_a_table_that_is_not_there(small: Dataset) -> None:
    parts = {name: small[name] for name in ("obligations", "inspections")}
    assert {p.message for p in validate(parts)} == {"is a table that is missing"}


def test_an_unreadable_enterprises_table_does_not_make_orphans(small: Dataset, tmp_path: Path) -> None:
    write_dataset(small, tmp_path)
    (tmp_path / "enterprises.parquet").write_bytes(b"PAR1")
    assert [p.table for p in validate(tmp_path)] == ["enterprises"]


def test_the_future_is_told_only_where_the_manifest_has_a_date(broken: Callable[..., Dataset]) -> None:
    data = broken(("signals", "raised_on", 1, "2025-01-01"), ("obligations", "valid_to", 1, "2031-01-01"))
    assert [str(p) for p in validate(data)] == [
        f"signals.raised_on: lies in the future (1 row, row 1: '2025-01-01'). {FUTURE}"
    ]
    assert validate(dict(data)) == []


def test_an_orphan_is_told_once_and_an_empty_reference_not_as_an_orphan(
    broken: Callable[..., Dataset],
) -> None:
    data = broken(("inspections", "enterprise_id", 1, STRANGER), ("inspections", "enterprise_id", 3, None))
    assert [(p.column, p.message, p.rows) for p in validate(data)] == [
        ("enterprise_id", "has no value", 1),
        ("enterprise_id", "is not in enterprises", 1),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<script>alert(1)</script>", "'<script>alert(1)</script>'"),
        ("\u202egnp.exe", "'\\u202egnp.exe'"),
        ("\x1b[31m", "'\\x1b[31m'"),
        ("长" * 10_000, "'" + "长" * 38 + "…"),
    ],
)
def test_examples_show_what_cannot_be_seen(broken: Callable[..., Dataset], value: str, shown: str) -> None:
    (problem,) = validate(broken(("tiers", "tier", 1, value)))
    assert problem.examples == (f"row 1: {shown}",)


def test_rows_are_told_what_is_wrong_with_them(broken: Callable[..., Dataset]) -> None:
    frame = broken(
        ("inspections", "decided_on", 1, "2023-05-01"),
        ("inspections", "propensity", 3, 0.0),
        ("inspections", "channel", 3, "surprise"),
        ("inspections", "rating", 4, 2),
    )["inspections"].set_axis([10, 20, 30, 40])
    reasons = row_problems(frame, "inspections")
    assert reasons.to_dict() == {
        10: "decided_on: lies before inspected_on",
        20: "",
        30: "channel: is not a declared level; propensity: is out of range",
        40: "rating: is filled without rated_on, or the other way round",
    }
    arrow = pa.table({name: raw_cells(frame[name]) for name in frame})
    assert row_problems(arrow, "inspections").tolist() == list(reasons)
    late = pd.Timestamp("2024-07-01").date()
    assert row_problems(frame, "inspections", late)[40].startswith("inspected_on: lies in the future; ")


def test_rows_cannot_be_told_apart_if_columns_are_wrong(small: Dataset) -> None:
    with pytest.raises(DataError, match=r"tiers\.tier: is a column that is missing"):
        row_problems(small["tiers"].drop(columns="tier"), "tiers")
    with pytest.raises(DataError, match=r"tiers\.assigned_on: is of type int64"):
        row_problems(small["tiers"].assign(assigned_on=3), "tiers")
    assert row_problems(empty("tiers"), "tiers").tolist() == []


OWN = [
    (w.split("."), v, m)
    for w, v, m in CELLS
    if "is not in " not in m and "repeats" not in m and "registration" not in m
]


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from(OWN), min_size=1, max_size=6, unique_by=lambda case: (case[0][0], case[0][1]))
)
def test_rows_and_tables_agree(broken: Callable[..., Dataset], cases: list[Any]) -> None:
    data = broken(*((*where, 2, value) for where, value, _ in cases))
    told = errors_of(validate(data))
    for name, frame in data.items():
        reasons = row_problems(frame, name, data.as_of)
        here = [
            p
            for p in told
            if p.table == name and "is not in" not in p.message and "registration" not in p.message
        ]
        assert sum(p.rows for p in here) == sum(len(reason.split("; ")) for reason in reasons if reason)
        assert {p.message for p in here} == {
            part.split(": ", 1)[1] for reason in reasons if reason for part in reason.split("; ")
        }


def test_problems_as_a_frame(small: Dataset) -> None:
    problems = validate(dict(small) | {"tiers": small["tiers"].assign(risk_level=[0, 1, 9])})
    frame = problems_table(problems)
    assert frame.to_dict("records") == [
        {
            "table": "tiers",
            "column": "risk_level",
            "rows": 2,
            "examples": "row 1: 0; row 3: 9",
            "message": "is out of range",
            "remedy": "Correct it: it must be from 1 to 4 (1 = low)",
        }
    ]
    assert list(problems_table([])) == list(frame)
    assert str(DataError(problems)).startswith(
        "1 problem in the data:\ntiers.risk_level: is out of range (2 rows, "
    )


def test_a_district_is_checked_without_a_loop_over_rows(small: Dataset) -> None:
    n = 200_000
    ids = credit_code.make(np.arange(n), "310116")
    row = small["enterprises"].iloc[[0]]
    enterprises = conform(row.loc[row.index.repeat(n)].assign(enterprise_id=ids.to_numpy()), "enterprises")
    row = small["obligations"].iloc[[0]]
    obligations = conform(row.loc[row.index.repeat(n)].assign(enterprise_id=ids.to_numpy()), "obligations")
    obligations.loc[n - 1, "enterprise_id"] = STRANGER
    events = {name: empty(name) for name in ("inspections", "credit_events", "complaints", "signals")}
    base = {name: small[name] for name in ("agencies", "items")}
    problems = []
    data = base | events | {"enterprises": enterprises, "obligations": obligations}
    assert calls(lambda: problems.extend(validate(data))) < n
    assert [(p.rows, p.examples) for p in problems] == [(1, (f"row {n}: '{STRANGER}'",))]
