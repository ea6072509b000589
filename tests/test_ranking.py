"""What a score is worth as an order: held against every order of the ties, closed forms and plain loops."""

import json
from itertools import pairwise, permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reordering import reordered
from sklearn.metrics import roc_auc_score

from tierkit.evaluate import compare_rankings, rank_inspections, ranking
from tierkit.evaluate.order.ordering import Order
from tierkit.scores.metrics import auc

START = pd.Timestamp("2024-01-01")


def dated(days: np.ndarray) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(days, unit="D"))


def orders(score: np.ndarray) -> list[tuple[int, ...]]:
    """Return every order of the rows in which no row comes before one with a higher score."""
    everything = permutations(range(len(score)))
    return [one for one in everything if all(score[a] >= score[b] for a, b in pairwise(one))]


def gains(event: np.ndarray, score: np.ndarray, day: np.ndarray, group: np.ndarray) -> list[float]:
    """Return the days earlier of every order of ties, each group keeping its own dates."""
    by_group = []
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        slots = np.sort(day[rows])
        by_group.append(
            [
                sum((day[rows[row]] - slots[place]) * event[rows[row]] for place, row in enumerate(order))
                for order in orders(score[rows])
            ]
        )
    return [sum(parts) / event.sum() for parts in product(*by_group)]


def found_first(event: np.ndarray, score: np.ndarray, capacity: float) -> list[float]:
    """Return the capture of every order of ties; a slot that the capacity cuts counts in part."""
    part = np.clip(capacity * len(event) - np.arange(len(event)), 0, 1)
    return [float((event[list(order)] * part).sum() / event.sum()) for order in orders(score)]


cases = st.integers(2, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(any),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 9), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
    )
)


@settings(max_examples=60, deadline=None)
@given(cases, st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_days_earlier_and_capture_are_those_of_all_orders_of_the_ties(
    case: tuple[list[int], ...], capacity: float
) -> None:
    event, score, day, group = (np.array(one, float) for one in case)
    for stratum, of in ((np.zeros(len(event)), 0), (group, group)):
        every = gains(event, score, day, stratum)
        codes = np.unique(stratum, return_inverse=True)[1]
        seen = Order.of(event, score, day, codes).days_earlier()
        assert seen == pytest.approx((np.mean(every), min(every), max(every)), abs=1e-9), of
    every = found_first(event, score, capacity)
    seen = Order.of(event, score, day, np.zeros(len(event), int)).capture(capacity)
    assert seen.value == pytest.approx(np.mean(every), abs=1e-9)
    if capacity * len(event) % 1 == 0:  # within a slot the part is worked out evenly, not at worst or best
        assert seen == pytest.approx((np.mean(every), min(every), max(every)), abs=1e-9)
    assert seen.worst <= seen.value + 1e-12 <= seen.best + 2e-12


@settings(max_examples=40, deadline=None)
@given(cases)
def test_a_weight_is_that_many_rows(case: tuple[list[int], ...]) -> None:
    event, score, day, group = (np.array(one, float) for one in case)
    times = np.arange(len(event)) % 3 + (event > 0)
    codes = np.unique(group, return_inverse=True)[1]
    order = Order.of(event, score, day, codes)
    again = np.repeat(np.arange(len(event)), times)
    kept = np.unique(codes[again], return_inverse=True)[1]
    plain = Order.of(event[again], score[again], day[again], kept)
    for a, b in (
        (order.days_earlier(times.astype(float)), plain.days_earlier()),
        (order.capture(0.4, times.astype(float)), plain.capture(0.4)),
        (order.auc(times.astype(float)), plain.auc()),
    ):
        np.testing.assert_allclose(a, b, atol=1e-9)


def sample(n: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return inspections by three inspectors who find 5, 15 and 40 % and go about in random order."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 3, n)
    fault = rng.normal(size=n)
    rate = np.array([0.05, 0.15, 0.4])[who]
    chance = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + 0.8 * fault)))
    return pd.DataFrame(
        {
            "event": (rng.random(n) < chance).astype(int),
            "day": rng.integers(0, 60, n),
            "who": np.array(["a", "b", "c"])[who],
            "fault": fault.round(1),
            "strict": rate,
        }
    )


@pytest.mark.long
def test_the_keyed_lot_agrees_with_the_expectation_over_ties_on_average() -> None:
    """The second way: the inspections are really dealt out, many times, and counted."""
    rows = sample()
    dates, ids = dated(rows["day"].to_numpy()), [f"e{k}" for k in range(len(rows))]
    coarse = rows["fault"].round()
    for group in (None, rows["who"]):
        result = ranking(rows["event"], coarse, dates, group=group, replicates=39)
        row = result.row("days_earlier", "pooled" if group is None else "within")
        told = []
        for seed in range(200):
            new = reordered(coarse, dates, ids, group=group, seed=seed)
            assert sorted(new) == sorted(dates)
            told.append(((dates - new).dt.days * rows["event"]).sum() / rows["event"].sum())
        assert np.mean(told) == pytest.approx(row["value"], abs=4 * np.std(told) / np.sqrt(len(told)))
        assert row["worst"] <= min(told) <= max(told) <= row["best"]
        if group is not None:
            pd.testing.assert_frame_equal(
                pd.DataFrame({"d": new, "g": rows["who"]}).value_counts().sort_index().reset_index(),
                pd.DataFrame({"d": dates, "g": rows["who"]}).value_counts().sort_index().reset_index(),
            )


def test_the_lot_follows_the_ids_and_not_the_rows() -> None:
    rows = sample(100)
    rows["id"] = [f"e{k}" for k in range(100)]
    dates = dated(rows["day"].to_numpy())
    one = pd.Series(reordered(rows["strict"], dates, rows["id"]).to_numpy(), index=rows["id"])
    mixed = rows.sample(frac=1, random_state=3)
    other = reordered(mixed["strict"], dates[mixed.index], mixed["id"])
    pd.testing.assert_series_equal(one.sort_index(), pd.Series(other.to_numpy(), mixed["id"]).sort_index())
    assert not reordered(rows["strict"], dates, rows["id"], seed=1).equals(pd.Series(one.to_numpy()))


@pytest.mark.long
def test_a_random_order_gains_what_the_closed_form_says() -> None:
    """Drawn without replacement: mean K/n of all, variance K S² (1 - K/n); Mann and Whitney for the AUC."""
    rows = sample()
    order = Order.of(
        rows["event"].to_numpy(float), rows["fault"].to_numpy(), rows["day"].to_numpy(float),
        pd.factorize(rows["who"])[0],
    )  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = np.array(
        [
            (one.days_earlier().value, one.capture(0.25).value, one.auc().value)
            for one in (order.by(rng.random(400)) for _ in range(3000))
        ]
    )
    for k, (mean, sd) in enumerate((order.chance(), order.chance(0.25), order.auc_chance())):
        assert drawn[:, k].mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(3000))
        assert drawn[:, k].std() == pytest.approx(sd, rel=0.06)
    flat = order.by(np.zeros(400))
    assert flat.days_earlier().value == pytest.approx(order.chance().mean)
    assert flat.capture(0.25).value == pytest.approx(0.25)


def test_nobody_beats_the_oracle_and_it_finds_all_first() -> None:
    event, day = np.array([0, 1, 0, 1, 0, 0]), np.array([0, 1, 2, 3, 4, 5])
    table = ranking(event, -event, dated(day), capacity=(1 / 3, 0.5), replicates=39)
    row = table.row("days_earlier")
    assert row["oracle"] == pytest.approx((1 + 3) / 2 - (0 + 1) / 2)
    # the four clean ones, tied, take the first four days and the violations the last two
    assert row[["value", "worst", "best"]].tolist() == pytest.approx([2 - 4.5] * 3)
    assert table.row("capture", capacity=1 / 3)["oracle"] == pytest.approx(1)
    assert table.row("precision", capacity=0.5)["oracle"] == pytest.approx(2 / 3)
    assert (table.table["value"] <= table.table["oracle"] + 1e-12).all()


def test_the_order_as_made_gains_nothing_and_half_is_half() -> None:
    rows = sample()
    result = ranking(rows["event"], -rows["day"], dated(rows["day"].to_numpy()), replicates=39)
    assert result.row("days_earlier")["value"] == pytest.approx(0, abs=1e-9)
    seen = result.table[result.table["measure"] == "capture"]
    np.testing.assert_allclose(seen["value"], seen["as_made"])
    np.testing.assert_allclose(seen["random"], seen["capacity"])


def test_auc_is_sklearns_pooled_and_pairs_within_groups() -> None:
    rows = sample()
    result = ranking(
        rows["event"], rows["fault"], dated(rows["day"].to_numpy()), group=rows["who"], replicates=39
    )
    assert result.row("auc")["value"] == pytest.approx(roc_auc_score(rows["event"], rows["fault"]))
    assert result.row("auc")["value"] == pytest.approx(auc(rows["event"], rows["fault"]))
    pairs, won = 0, 0.0
    for _, mine in rows.groupby("who"):
        bad, clean = (mine.loc[mine["event"] == k, "fault"].to_numpy()[:, None] for k in (1, 0))
        won += float((bad > clean.T).sum() + (bad == clean.T).sum() / 2)
        pairs += len(bad) * len(clean)
    assert result.row("auc", "within")["value"] == pytest.approx(won / pairs)


def test_a_gain_that_is_only_the_inspector_is_none_when_each_keeps_their_dates() -> None:
    rows = sample(1500, seed=4)
    result = ranking(
        rows["event"], rows["strict"], dated(rows["day"].to_numpy()), group=rows["who"], replicates=199
    )
    pooled, within = (result.row("days_earlier", one) for one in ("pooled", "within"))
    assert pooled["low"] > 3
    assert pooled["p_value"] == pytest.approx(1 / 200)
    assert within["value"] == pytest.approx(within["random"])
    assert within["p_value"] == 1
    assert result.row("auc", "within")["value"] == pytest.approx(0.5)


@pytest.mark.long
def test_the_interval_covers_and_shuffled_scores_reject_as_often_as_they_say() -> None:
    """Where violations come at random with rate r, a score gains nothing but what random order gains."""
    inside, small = 0, 0
    rng = np.random.default_rng(5)
    for seed in range(60):
        event, score, day = rng.random(150) < 0.3, rng.normal(size=150), np.arange(150)
        row = ranking(event.astype(int), score, dated(day), capacity=(0.5,), replicates=59, seed=seed).row(
            "days_earlier"
        )
        inside += bool(row["low"] <= 0 <= row["high"])
        small += bool(row["p_value"] <= 0.05)
    assert inside >= 51  # 57 expected, standard deviation 1.7
    assert small <= 9  # 3 expected


def test_a_comparison_is_paired_and_its_difference_is_of_the_two() -> None:
    rows = sample()
    rng = np.random.default_rng(2)
    scores = {"a": rows["fault"], "b": rows["fault"] + rng.normal(0, 0.05, 400), "a again": rows["fault"]}
    both = compare_rankings(
        rows["event"], scores, dated(rows["day"].to_numpy()), group=rows["who"], replicates=199
    )
    for order in ("pooled", "within"):
        a, b, same = (both.row(name, "days_earlier", order) for name in scores)
        single = ranking(
            rows["event"], scores["b"], dated(rows["day"].to_numpy()), group=rows["who"], replicates=199
        ).row("days_earlier", order)
        assert tuple(b[["value", "low", "high"]]) == tuple(single[["value", "low", "high"]])
        assert b["difference"] == pytest.approx(b["value"] - a["value"])
        assert b["difference_high"] - b["difference_low"] < 0.3 * (b["high"] - b["low"])
        assert same["difference"] == same["difference_low"] == same["difference_high"] == 0
        assert np.isnan(a["difference"])
    assert "a again" in both._repr_html_()
    assert json.dumps(both.to_dict())


def test_rows_of_one_cluster_are_drawn_together() -> None:
    rows = sample(200)
    four = pd.concat([rows] * 4, ignore_index=True)
    cluster = np.tile(np.arange(200), 4)
    dates = dated(rows["day"].to_numpy()), dated(four["day"].to_numpy())
    once = ranking(rows["event"], rows["fault"], dates[0], replicates=99).row("auc")
    alone = ranking(four["event"], four["fault"], dates[1], replicates=99).row("auc")
    together = ranking(four["event"], four["fault"], dates[1], cluster=cluster, replicates=99).row("auc")
    assert together["low"] == pytest.approx(once["low"])
    assert (alone["high"] - alone["low"]) < 0.7 * (together["high"] - together["low"])


def test_the_course_ends_with_everything_found_and_says_the_half() -> None:
    rows = sample()
    result = ranking(
        rows["event"], rows["fault"], dated(rows["day"].to_numpy()), group=rows["who"], replicates=39
    )
    course = result.course
    last = course.iloc[-1]
    names = ["as_made", "pooled", "within", "random", "oracle"]
    assert last[["inspections", *names]].tolist() == pytest.approx([1.0] * 6)
    assert course["date"].is_monotonic_increasing
    for name in names:
        assert (course[name].diff().dropna() >= -1e-12).all()
    made = rows.groupby("day")["event"].sum().cumsum() / rows["event"].sum()
    np.testing.assert_allclose(course["as_made"], made)
    days = (dated(rows["day"].to_numpy()) - START).dt.days
    assert days.min() == 0
    area = (course["pooled"] - course["as_made"]).iloc[:-1] * np.diff(np.unique(days))
    assert area.sum() == pytest.approx(result.row("days_earlier")["value"]), (
        "days earlier is the area between"
    )


def test_what_is_shown_and_kept() -> None:
    rows = sample(60)
    result = ranking(rows["event"], rows["fault"], dated(rows["day"].to_numpy()), replicates=39)
    assert "60 inspections" in result._repr_html_()
    kept = json.loads(json.dumps(result.to_dict()))
    assert kept["course"][0]["date"] == "2024-01-01"
    assert kept["measures"][0]["capacity"] is None
    pd.testing.assert_frame_equal(result.summary(), result.table)
    again = ranking(rows["event"], rows["fault"], dated(rows["day"].to_numpy()), replicates=39)
    pd.testing.assert_frame_equal(result.table, again.table)
    with pytest.raises(KeyError, match="there are"):
        result.row("days_earlier", "within")


def test_everything_wrong_is_told_at_once() -> None:
    who = pd.Series(["a", None])
    with pytest.raises(ValueError, match="cannot be put in order") as error:
        ranking([0, 2], [np.nan, 1], dated(np.arange(3)), group=who, capacity=[0], replicates=3)
    for told in (
        "'dates' has 3 rows",
        "'score' is missing in 1",
        "'group' is missing",
        "0 and 1",
        "(0, 1]",
        "39",
    ):
        assert told in str(error.value)
    with pytest.raises(ValueError, match="there are none"):
        ranking([], [], [])
    with pytest.raises(ValueError, match="at least two"):
        compare_rankings([0, 1], {"a": [1, 2]}, dated(np.arange(2)))


@pytest.mark.parametrize("event", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_a_stated_rule(event: list[int]) -> None:
    table = ranking(event, [1, 2, 3], dated(np.arange(3)), replicates=39).table
    value = table.set_index("measure")["value"].to_dict()
    assert np.isnan(value["auc"])
    assert np.isnan(value["days_earlier"]) == (sum(event) == 0)
    if sum(event):
        assert value["days_earlier"] == 0


def test_records_and_scores_are_joined_by_enterprise_and_only_what_is_planned_counts() -> None:
    rows = sample(120)
    records = pd.DataFrame(
        {
            "enterprise_id": [f"e{k % 40}" for k in range(120)],
            "inspected_on": dated(rows["day"].to_numpy()),
            "channel": ["routine", "random", "trigger"] * 40,
            "mode": np.where(np.arange(120) % 10 == 0, "offsite", "onsite"),
            "finding": np.where(rows["event"] == 1, "minor", "none"),
            "inspector": rows["who"],
        }
    )
    scored = pd.DataFrame({"enterprise_id": [f"e{k}" for k in range(35)], "risk_margin": np.arange(35.0)})
    one = rank_inspections(records, scored.sample(frac=1, random_state=1), replicates=39)
    kept = records[(records["channel"] != "trigger") & (records["mode"] == "onsite")]
    kept = kept[kept["enterprise_id"].isin(scored["enterprise_id"])]
    score = kept["enterprise_id"].str[1:].astype(float)
    plain = ranking(
        kept["finding"] == "minor", score, kept["inspected_on"], group=kept["inspector"], replicates=39
    )
    pd.testing.assert_frame_equal(
        one.table[["measure", "order", "value", "n", "events", "groups"]],
        plain.table[["measure", "order", "value", "n", "events", "groups"]],
    )
    with pytest.raises(ValueError, match="there are none"):
        rank_inspections(records[:0], scored)


def test_one_cluster_or_one_violation_gives_no_interval() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    score = np.arange(20.0)
    one = ranking(np.arange(20) % 2, score, days, cluster=["e"] * 20, replicates=39).table
    assert one["value"].notna().all()
    assert one[["low", "high"]].isna().all(axis=None)
    alone = ranking(np.arange(20) == 12, score, days, replicates=39).row("auc")
    assert np.isnan(alone["low"])
    assert np.isnan(alone["high"])
    both = compare_rankings(
        np.arange(20) % 2, {"a": score, "b": -score}, days, cluster=["e"] * 20, replicates=39
    ).table
    assert both[["low", "high", "difference_low", "difference_high"]].isna().all(axis=None)


@pytest.mark.parametrize("score", [[[1.0], [2.0]], ["a", "b"], [1.0, np.inf], [1.0, np.nan], [1.0]])
def test_scores_that_are_no_numbers_cannot_be_put_in_order(score) -> None:
    with pytest.raises(ValueError, match="cannot be put in order"):
        ranking([0, 1], score, pd.date_range("2024-01-01", periods=2), replicates=39)


def test_levels_that_every_sample_repeats_have_no_interval() -> None:
    found, days = [1] * 4 + [0] * 16, pd.date_range("2024-01-01", periods=20)
    for score in (np.arange(20.0), -np.arange(20.0)):  # perfectly wrong, perfectly right
        told = ranking(found, score, days, replicates=99)
        assert told.row("auc")["value"] == (score[0] == 0) * 0.0 + (score[0] > score[-1]) * 1.0
        ends = told.table[told.table["measure"] == "auc"][["low", "high"]]
        assert ends.isna().all(axis=None)
    wrong = ranking(found, np.arange(20.0), days, capacity=(0.1,), replicates=99)
    for measure in ("capture", "precision"):
        row = wrong.row(measure, capacity=0.1)
        assert row["value"] == 0
        assert np.isnan([row["low"], row["high"]]).all()


def test_a_score_is_no_better_than_itself_for_certain_where_it_varies() -> None:
    days, rng = pd.date_range("2024-01-01", periods=40), np.random.default_rng(0)
    found, score = rng.random(40) < 0.4, rng.random(40)
    both = compare_rankings(found, {"a": score, "b": 2 * score}, days, replicates=99).row("b", "auc")
    assert both[["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
    both = compare_rankings(found, {"a": found * 1.0, "b": found * 2.0}, days, replicates=99).row("b", "auc")
    assert both["difference"] == 0
    assert np.isnan([both["difference_low"], both["difference_high"]]).all()


@pytest.mark.parametrize("days", [[20240101, 20240102], [1.5, 2.5], np.array([1, 2], object), [True, False]])
def test_numbers_are_no_days(days: object) -> None:
    with pytest.raises(ValueError, match="'dates' must be days, and hold numbers"):
        ranking([0, 1], [0.1, 0.2], days, replicates=39)


def test_a_score_may_have_any_name_and_is_checked_under_it() -> None:
    days, event = pd.date_range("2024-01-01", periods=4), [0, 1, 0, 1]
    names, gone = ["group", "cluster", "outcome", "dates"], [1.0, np.nan, 2.0, 3.0]
    given = {"group": list("aabb"), "cluster": list("abcd")}
    told = compare_rankings(event, {name: np.arange(4.0) for name in names}, days, replicates=39, **given)
    assert set(told.table["score"]) == set(names)
    for name in names:
        scores = {"plain": np.arange(4.0), name: gone}
        with pytest.raises(ValueError, match=f"'{name}' is missing in 1 rows"):
            compare_rankings(event, scores, days, replicates=39, **given)
