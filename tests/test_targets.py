"""Three targets: their formulas by hand and by simulation, shares by stratum, and who moves."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tierkit.city.parameters import parameters
from tierkit.evaluate.targets import TARGETS, Severities, movers, severities, targets
from tierkit.policy import Policy
from tierkit.records import SEVERITIES, read_dataset

LEGACY = Policy.load("legacy")
DAY = pd.Timestamp("2024-12-30")


def records(findings: dict[str, list[int]], per: int = 1000) -> dict[str, pd.DataFrame]:
    """Return records with these findings (minor, moderate, serious) in each sector."""
    firms, owed, seen = [], [], []
    for sector, counts in findings.items():
        ids = [f"{sector}{k}" for k in range(per)]
        firms += [(one, sector) for one in ids]
        owed += [(one, pd.Timestamp("2020-01-01"), pd.NaT) for one in ids]
        kinds = np.repeat(SEVERITIES, counts)
        seen += [
            (ids[k % per], DAY - pd.Timedelta(days=400), "routine", "onsite", kind)
            for k, kind in enumerate(kinds)
        ]
    return {
        "enterprises": pd.DataFrame(firms, columns=["enterprise_id", "sector"]),
        "obligations": pd.DataFrame(owed, columns=["enterprise_id", "valid_from", "valid_to"]),
        "inspections": pd.DataFrame(
            seen, columns=["enterprise_id", "inspected_on", "channel", "mode", "finding"]
        ),
    }


def test_harm_averted_is_what_a_simulated_audit_averts() -> None:
    # Violations of one stratum live on until they mend or are found otherwise; an audit ends those it finds.
    rng = np.random.default_rng(0)
    share, found, n = np.array([0.6, 0.3, 0.1]), 0.01, 400_000
    table = pd.DataFrame(
        {**dict(zip(SEVERITIES, share, strict=True)), "n": 1, "found": found}, index=["food"]
    )
    scored = pd.DataFrame({"enterprise_id": ["a"], "sector": ["food"], "risk_probability": [0.14]})
    row = targets(scored, Severities(table, 1.0, "sector"), LEGACY).iloc[0]
    violating, sensitivity = 0.2, LEGACY["depth.detection"]  # 0.2 × 0.7 = 0.14
    kind = rng.choice(3, n, p=share)
    mend, harm = (
        np.array([parameters()[f"violation.{what}.{s}"] for s in SEVERITIES], float)
        for what in ("mend", "harm")
    )
    weeks = rng.geometric(1 - (1 - mend[kind]) * (1 - found))  # each week there counts once, the first too
    there, detected = rng.random(n) < violating, rng.random(n) < sensitivity
    averted = there * detected * weeks * harm[kind]
    assert row["harm_averted"] == pytest.approx(averted.mean(), abs=4 * averted.std() / np.sqrt(n))
    weekly = there * harm[kind]
    assert row["expected_harm"] == pytest.approx(weekly.mean(), abs=4 * weekly.std() / np.sqrt(n))
    assert row["probability"] == 0.14


def test_the_probability_of_being_in_violation_is_never_above_one() -> None:
    table = pd.DataFrame(
        {"minor": 1.0, "moderate": 0.0, "serious": 0.0, "n": 1, "found": 0.0}, index=["food"]
    )
    scored = pd.DataFrame({"enterprise_id": ["a"], "sector": ["food"], "risk_probability": [0.9]})
    assert targets(scored, Severities(table, 1.0, "sector"), LEGACY)["expected_harm"].item() == 1.0


def test_few_findings_are_drawn_to_the_shares_of_all() -> None:
    far = {"food": [600, 300, 100], "gas": [0, 0, 2], "retail": [900, 90, 10]}
    found = severities(records(far), DAY)
    share = found.table[list(SEVERITIES)]
    np.testing.assert_allclose(share.sum(axis=1), 1)
    assert found.table["n"].tolist() == [1000, 2, 1000]
    assert share.loc["food", "serious"] == pytest.approx(0.1, abs=0.005)
    overall = (112 + 0.5) / (2002 + 1.5)
    by_hand = (2 + found.strength * overall) / (2 + found.strength)
    assert share.loc["gas", "serious"] == pytest.approx(by_hand)
    assert by_hand < 0.6
    assert (found.table["serious_low"] < share["serious"]).all()
    wide = found.table["serious_high"] - found.table["serious_low"]
    assert wide["gas"] > 3 * wide["food"]


def test_the_strength_is_that_of_the_likelihood() -> None:
    # Sectors that are alike share everything; those that differ keep their own. SciPy has the likelihood.
    alike = severities(records({f"s{k}": [60, 32, 8] for k in range(6)}), DAY)
    apart = severities(records({f"s{k}": [60, 32, 8] if k % 2 else [8, 32, 60] for k in range(6)}), DAY)
    assert alike.strength > 1000 > 50 > apart.strength
    counts = np.array([[60, 32, 8] if k % 2 else [8, 32, 60] for k in range(6)])
    share = (counts.sum(axis=0) + 0.5) / (counts.sum() + 1.5)

    def log_likelihood(m: float) -> float:
        return stats.dirichlet_multinomial.logpmf(counts, m * share, counts.sum(axis=1)).sum()

    best = log_likelihood(apart.strength)
    assert best > log_likelihood(1.1 * apart.strength)
    assert best > log_likelihood(0.9 * apart.strength)


def test_triggers_and_later_rows_do_not_count_and_rates_are_by_hand() -> None:
    data = records({"food": [60, 30, 10], "gas": [60, 30, 10]})
    seen = data["inspections"]
    extra = seen.iloc[:50].assign(finding="serious")
    late = extra.assign(inspected_on=DAY)
    triggered = extra.assign(channel="trigger", inspected_on=DAY - pd.Timedelta(days=10))
    found = severities({**data, "inspections": pd.concat([seen, late, triggered])}, DAY)
    pd.testing.assert_frame_equal(
        found.table[list(SEVERITIES)], severities(data, DAY).table[list(SEVERITIES)]
    )
    food = found.table.loc["food"]
    assert (food["inspections"], food["obligations"]) == (50, 1000)
    yearly = (50 + 200 * 50 / 2000) / 1200
    assert food["found"] == pytest.approx(0.7 * (1 - np.exp(-yearly / 52)))


def test_who_moves_by_hand() -> None:
    table = pd.DataFrame(
        {"n": 500, "minor": [1.0, 0.0], "moderate": 0.0, "serious": [0.0, 1.0], "found": 0.0},
        index=["retail", "gas"],
    )
    scored = pd.DataFrame(
        {
            "enterprise_id": list("abcdefghij"),
            "sector": ["retail"] * 8 + ["gas"] * 2,
            "size": ["micro"] * 5 + ["large"] * 5,
            "risk_probability": np.r_[np.linspace(0.3, 0.2, 8), 0.1, 0.05],
            "tier": ["T4"] * 2 + ["T1"] * 8,
        }
    )
    moved = movers(scored, Severities(table, 100.0, "sector"), LEGACY, 0.2, ["size"], "tier")
    for target in TARGETS[1:]:
        row = moved.summary.set_index("target").loc[target]
        assert (row["n"], row["capacity"], row["kept"], row["overlap"]) == (10, 2, 0, 0.0)
        by_hand = targets(scored, Severities(table, 100.0, "sector"), LEGACY)
        assert row["kendall"] == pytest.approx(stats.kendalltau(by_hand["probability"], by_hand[target])[0])
        groups = moved.groups[moved.groups["target"] == target].set_index(["grouping", "group"])
        assert groups.loc[("sector", "gas"), ["n", "before", "after", "entered", "left"]].tolist() == [
            2,
            0,
            2,
            2,
            0,
        ]
        assert groups.loc[("size", "micro"), ["n", "before", "after", "entered", "left"]].tolist() == [
            5,
            2,
            0,
            0,
            2,
        ]
        levels = moved.levels[moved.levels["target"] == target].set_index(["from", "to"])["n"]
        assert levels.to_dict() == {("T1", "T1"): 6, ("T1", "T4"): 2, ("T4", "T1"): 2}
    assert set(moved.to_dict()) == {"summary", "groups", "levels"}
    assert "harm_averted" in moved._repr_html_()


def test_within_a_stratum_nobody_moves() -> None:
    table = pd.DataFrame(
        {"n": 50, "minor": 0.5, "moderate": 0.3, "serious": 0.2, "found": 0.01}, index=["food"]
    )
    rng = np.random.default_rng(1)
    scored = pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(500)],
            "sector": "food",
            "risk_probability": rng.random(500) / 2,
        }
    )
    moved = movers(scored, Severities(table, 10.0, "sector"), LEGACY).summary
    assert (moved[["overlap", "drawn_low", "drawn_high"]] == 1).all(axis=None)
    np.testing.assert_allclose(moved[["kendall", "spearman"]], 1)
    assert moved["kept"].tolist() == [50, 50]


def test_real_records_and_what_is_refused() -> None:
    data = read_dataset("data/synthetic")
    found = severities(data, DAY)
    scored = data["enterprises"][["enterprise_id", "sector", "size"]].assign(risk_probability=0.1)
    alike = movers(scored, found, LEGACY).summary
    assert alike[["kendall", "spearman"]].isna().all(axis=None)
    scored["risk_probability"] = np.linspace(0.01, 0.4, len(scored))
    moved = movers(scored, found, LEGACY, groups=["size"])
    assert moved.groups.groupby(["target", "grouping"])["n"].sum().eq(len(scored)).all()
    assert ((moved.summary["drawn_low"] >= 0) & (moved.summary["drawn_high"] <= 1)).all()
    with pytest.raises(ValueError, match="no column 'sector'"):
        targets(scored.drop(columns="sector"), found, LEGACY)
    with pytest.raises(ValueError, match="stratum 'banking' is not among"):
        targets(scored.assign(sector="banking"), found, LEGACY)
    with pytest.raises(ValueError, match="share in"):
        movers(scored, found, LEGACY, capacity=0)
    with pytest.raises(ValueError, match="found anything"):
        severities(data, "2020-01-01")
