from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, t, ttest_1samp, ttest_rel

from tierkit.city.engine import run
from tierkit.city.synth import make
from tierkit.compare import comparison as comparisons
from tierkit.compare.comparison import HEADLINE, compare
from tierkit.compare.intervals import mean_interval, replicates_for
from tierkit.compare.measures import SHARES
from tierkit.compare.outcomes import run_and_measure
from tierkit.policy import Policy
from tierkit.texts import text


@pytest.fixture(scope="module")
def world():
    return make(1500, seed=5)[1]


@pytest.fixture(scope="module")
def legacy():
    return Policy.load("legacy")


@pytest.fixture(scope="module")
def comparison(world, legacy):
    return compare(
        world, legacy, [Policy.load("shanghai-2025"), Policy.load("uniform-3pct")], replicates=4, weeks=26
    )


def findings(world, policy, replicate, seed=0):
    rows = run_and_measure(world, policy, 26, seed=seed, replicate=replicate, kappa=0.1)[1].values()
    return rows.loc[(rows["group"] == "all") & (rows["measure"] == "findings"), "value"].item()


def test_intervals_are_those_of_the_paired_t_test(world, legacy, comparison):
    reform = Policy.load("shanghai-2025")
    a = np.array([findings(world, reform, r) for r in range(4)])
    b = np.array([findings(world, legacy, r) for r in range(4)])
    row = comparison.table(measures=("findings",)).set_index("policy").loc["shanghai-2025"]
    paired = ttest_rel(a, b).confidence_interval(0.95)
    alone = ttest_1samp(a, 0).confidence_interval(0.95)
    assert row["difference"] == pytest.approx((a - b).mean(), rel=1e-12)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(
        (paired.low, paired.high), rel=1e-9
    )
    assert (row["low"], row["high"]) == pytest.approx((alone.low, alone.high), rel=1e-9)
    assert row["relative"] == pytest.approx((a - b).mean() / b.mean(), rel=1e-12)


def test_the_baseline_differs_from_itself_by_nothing(comparison):
    mine = comparison.summary[comparison.summary["policy"] == "legacy"]
    assert (mine["difference"].dropna() == 0).all()


def test_threads_change_nothing(world, legacy, comparison):
    again = compare(
        world,
        legacy,
        [Policy.load("shanghai-2025"), Policy.load("uniform-3pct")],
        replicates=4,
        weeks=26,
        threads=1,
    )
    pd.testing.assert_frame_equal(again.summary, comparison.summary, check_exact=True)


def test_shared_draws_make_the_difference_sharper(world, legacy):
    reform = legacy.reform({"frequency.base_rate": 0.30}, name="little more")
    paired = [findings(world, reform, r) - findings(world, legacy, r) for r in range(8)]
    apart = [findings(world, reform, r, seed=1) - findings(world, legacy, r, seed=2) for r in range(8)]
    assert np.std(paired) < np.std(apart)


def test_values_by_replicate_are_those_that_the_summary_is_made_of(comparison):
    kept = comparison.by_replicate
    assert set(kept["measure"]) == set(HEADLINE)
    wide = kept[kept["measure"] == "harm"].pivot_table(index="replicate", columns="policy", values="value")
    assert len(wide) == comparison.replicates
    rows = comparison.table(measures=("harm",)).set_index("policy")
    np.testing.assert_allclose(wide.mean()[rows.index], rows["value"], rtol=1e-12)
    reform = comparison.policies[1]
    gaps = wide[reform] - wide[comparison.baseline]
    interval = ttest_1samp(gaps, 0).confidence_interval(0.95)
    row = rows.loc[reform]
    np.testing.assert_allclose([row["difference_low"], row["difference_high"]], interval, rtol=1e-9)


def test_one_replicate_has_no_interval(world, legacy):
    one = compare(world, legacy, Policy.load("uniform-3pct"), replicates=1, weeks=4)
    row = one.table(measures=("inspections",)).iloc[1]
    assert np.isfinite(row["difference"])
    assert np.isnan(row["difference_low"])


def test_equal_policies_and_names_are_refused(world, legacy):
    same = legacy.reform({"frequency.base_rate": legacy["frequency.base_rate"]}, name="same")
    with pytest.raises(ValueError, match="does not differ from its baseline 'legacy'"):
        compare(world, legacy, same)
    reform = Policy.load("uniform-3pct")
    with pytest.raises(ValueError, match="need different names"):
        compare(world, legacy, [reform, reform])
    with pytest.raises(ValueError, match="'replicates' must be a whole number from 1"):
        compare(world, legacy, reform, replicates=0)


def test_the_headline_never_shows_a_finding_rate_alone(comparison):
    shown = comparison._repr_html_()
    for name in HEADLINE:
        assert f">{text(f'measure.{name}', 'en')}<" in shown
    assert "<script>" not in shown
    assert "e+0" not in shown
    assert len(repr(comparison)) < 200
    with pytest.raises(KeyError, match="No measure"):
        comparison.table("channel", ("harm",))


@pytest.fixture(scope="module")
def five(world, legacy):
    plans = [Policy.load("shanghai-2025"), Policy.load("jinshan-2025")]
    return compare(world, legacy, plans, replicates=3, weeks=104, over=52, by_year=True, kappa=0.25)


def row_of(frame, policy, measure, level, **more):
    mine = frame[(frame["policy"] == policy) & (frame["measure"] == measure) & (frame["level"] == level)]
    for name, wanted in more.items():
        mine = mine[mine[name] == wanted]
    assert len(mine) == 1
    return mine.iloc[0]


def test_years_are_measured_in_the_same_runs(world, legacy, five):
    alone = compare(
        world, legacy, [Policy.load("shanghai-2025"), Policy.load("jinshan-2025")], replicates=3, weeks=52,
        kappa=0.25,
    )  # fmt: skip
    assert sorted(set(five.years["year"])) == [1, 2]
    assert set(five.years["group"]) == {"all", "tier"}
    shown = [name for name in alone.summary if name not in ("weeks", "over")]
    within = alone.summary["group"].isin(["all", "tier"])
    for year, whole in ((1, alone.summary), (2, five.summary)):
        mine = five.years.loc[five.years["year"] == year, shown].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, whole.loc[within, shown].reset_index(drop=True), check_exact=True)


def test_by_tier_the_baseline_is_measured_on_the_same_enterprises(world, legacy, five):
    plan = Policy.load("jinshan-2025")
    owner = world.fixed.enterprise
    gaps, before = [], []
    for replicate in range(3):
        runs = [run(world, one, 104, seed=0, replicate=replicate, kappa=0.25) for one in (plan, legacy)]
        mine = (runs[0].first_tier == 0) & (world.fixed.entered <= world.week)
        found = []
        for one in runs:
            log = one.table()
            log = log[(log["mode"] < 2) & (log["week"] >= world.week + 52) & (log["finding"] > 0)]
            found.append(mine[owner[log["obligation"]]].sum())
        gaps.append(found[0] - found[1])
        before.append(found[1])
    assert not np.array_equal(runs[0].first_tier[mine], runs[1].first_tier[mine])
    row = row_of(five.years, "jinshan-2025", "findings", "T1", year=2)
    assert row["baseline_value"] == pytest.approx(np.mean(before), rel=1e-12)
    assert row["difference"] == pytest.approx(np.mean(gaps), rel=1e-12)
    interval = ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(tuple(interval), rel=1e-9)
    own = row_of(five.years, "legacy", "findings", "T1", year=2)
    assert own["difference"] == 0


def test_transitions_count_everybody_once(world, five):
    alive = world.alive()
    for policy in five.policies:
        mine = five.transitions[five.transitions["policy"] == policy]
        assert mine["enterprises"].sum() == pytest.approx(alive.sum())
        assert mine.groupby("first")["share"].sum().to_numpy() == pytest.approx(1)
        left = mine.loc[mine["last"] == "left", "enterprises"].sum()
        by_chance = (world.state.left[alive] < world.week + 104).sum()
        twins = world.fixed.successor_of >= 0  # who re-registers leaves before its time
        assert 0 < by_chance <= left <= by_chance + twins.sum()
    runs = [run(world, Policy.load("jinshan-2025"), 104, seed=0, replicate=r, kappa=0.25) for r in range(3)]
    stayed = [alive & (one.end.state.left >= world.week + 104) for one in runs]
    moved = [
        ((one.first_tier == 0) & (one.end.state.tier == 1) & here).sum()
        for one, here in zip(runs, stayed, strict=True)
    ]
    assert min(moved) > 0
    cell = five.transitions.query("policy == 'jinshan-2025' and first == 'T1' and last == 'T2'").iloc[0]
    assert cell["enterprises"] == pytest.approx(np.mean(moved))
    interval = np.clip(ttest_1samp(moved, 0).confidence_interval(0.95), 0, cell["n"])
    assert (cell["low"], cell["high"]) == pytest.approx(tuple(interval), rel=1e-9)
    assert cell["n"] == (alive & (runs[0].first_tier == 0)).sum()


def test_years_are_whole_and_there_when_asked_for(world, legacy, comparison):
    assert comparison.years.empty
    assert set(comparison.years.columns) == {*comparison.summary.columns, "year"}
    reform = Policy.load("uniform-3pct")
    with pytest.raises(ValueError, match="whole years of 52"):
        compare(world, legacy, reform, weeks=60, by_year=True)
    with pytest.raises(ValueError, match=r"'over' must be in 1 … 4. Got 5"):
        compare(world, legacy, reform, weeks=4, over=5)


def test_several_kappas_and_horizons_are_one_comparison(world, legacy):
    plan = Policy.load("uniform-3pct")
    told: list[tuple[int, int]] = []
    together = compare(
        world, legacy, plan, kappa=(0.1, 0.0), weeks=(52, 104), over=52, by_year=True, replicates=3, beside=2,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    cases = [(52, 0.0, 2), (52, 0.1, 3), (104, 0.0, 2), (104, 0.1, 2)]
    alone = [
        compare(world, legacy, plan, kappa=k, weeks=w, over=52, by_year=w > 52, replicates=r)
        for w, k, r in cases
    ]
    for name in ("summary", "years", "transitions", "by_replicate"):
        parts = [getattr(one, name) for one in alone]
        stacked = pd.concat([one for one in parts if len(one)], ignore_index=True)
        pd.testing.assert_frame_equal(getattr(together, name), stacked, check_exact=True)
    assert (together.kappas, together.horizons) == ((0.0, 0.1), (52, 104))
    assert (together.kappa, together.weeks, together.replicates) == (0.1, 52, 3)
    pd.testing.assert_frame_equal(together.table(), alone[1].table())
    assert together.replicates_for(5, "inspections") == alone[1].replicates_for(5, "inspections")
    assert together.visits["legacy"].tolist() == alone[1].visits["legacy"].tolist()
    steps = 2 * sum(weeks * runs for weeks, _, runs in cases)
    assert told[-1] == (steps, steps)
    assert [done for done, _ in told] == list(range(1, steps + 1))
    for wrong in ({"kappa": [0.1, 0.1]}, {"weeks": []}, {"beside": 0}):
        with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' must be"):
            compare(world, legacy, plan, **wrong)


def row_with(sd, replicates, difference=0.0):
    half = t.ppf(0.975, replicates - 1) * sd / np.sqrt(replicates)
    return {
        "difference": difference, "difference_low": difference - half, "difference_high": difference + half,
        "replicates": replicates,
    }  # fmt: skip


@pytest.mark.parametrize("sd", [0.3, 1.0, 2.5, 17.0])
@pytest.mark.parametrize("replicates", [2, 5, 40])
def test_replicates_for_a_width_are_the_fewest_that_give_it(sd, replicates):
    def half(n, s):
        return t.ppf(0.975, n - 1) * s / np.sqrt(n)

    found = replicates_for(row_with(sd, replicates), 1.0)
    fewest = next(n for n in range(2, 100_000) if half(n, sd) <= 1.0)
    assert found.needed == fewest
    assert found.more == max(fewest - replicates, 0)
    freedom = replicates - 1
    for end, level in ((found.low, 0.975), (found.high, 0.025)):
        s = sd * np.sqrt(freedom / chi2.ppf(level, freedom))
        assert half(end, s) <= 1.0
        assert end == 2 or half(end - 1, s) > 1.0
    assert found.low <= found.needed <= found.high


def test_many_replicates_follow_the_normal_formula():
    # With n large, t is 1.96 and n = (1.96 s / w)², plus what the t quantile adds, about z² / 2 = 1.9.
    found = replicates_for(row_with(1.0, 400), 0.01)
    assert found.needed == pytest.approx((1.959964 / 0.01) ** 2 + 1.959964**2 / 2 + 0.5, abs=1.5)
    assert replicates_for(row_with(0.0, 5), 0.01) == (2, 2, 2, 0)


@pytest.mark.long
def test_the_interval_of_that_number_covers_the_truth():
    rng = np.random.default_rng(11)
    wanted = replicates_for(row_with(1.0, 1000), 0.4).needed
    covered = 0
    for sample in rng.normal(size=(1000, 8)):
        found = replicates_for(row_with(sample.std(ddof=1), 8), 0.4)
        covered += found.low <= wanted <= found.high
    assert 0.93 <= covered / 1000 <= 0.975  # whole numbers make it a little wider


def test_a_comparison_tells_how_many_replicates_it_takes(world, legacy, comparison):
    rows = comparison.table(measures=("harm",)).set_index("policy")
    row = rows.loc["uniform-3pct"].to_dict()
    asked = comparison.replicates_for(0.1, "harm", "uniform-3pct", relative=True)
    assert asked == replicates_for(row, 0.1 * abs(row["difference"]))
    assert asked == comparison.replicates_for(0.1 * abs(row["difference"]), "harm", "uniform-3pct")
    wide = 1.001 * (row["difference_high"] - row["difference_low"]) / 2
    assert comparison.replicates_for(wide, "harm", "uniform-3pct").more == 0
    micro = comparison.replicates_for(1.0, "visits", "uniform-3pct", group="size", level="micro")
    rows = comparison.summary
    rows = rows[(rows["level"] == "micro") & (rows["measure"] == "visits")].set_index("policy")
    assert micro == replicates_for(rows.loc["uniform-3pct"].to_dict(), 1.0)
    with pytest.raises(ValueError, match=r"'policy' must be one of \['shanghai-2025', 'uniform-3pct'\]"):
        comparison.replicates_for(1.0)
    with pytest.raises(ValueError, match="'width' must be above zero"):
        comparison.replicates_for(0.0, "harm", "uniform-3pct")
    with pytest.raises(KeyError, match="No 'huge' in the group 'size'"):
        comparison.replicates_for(1.0, "visits", "uniform-3pct", group="size", level="huge")
    one = compare(world, legacy, Policy.load("uniform-3pct"), replicates=1, weeks=4)
    with pytest.raises(ValueError, match="One replicate shows no spread"):
        one.replicates_for(1.0)


def test_what_has_no_value_somewhere_has_no_number_of_replicates():
    row = {"difference": 1.0, "difference_low": np.nan, "difference_high": np.nan, "replicates": 3}
    with pytest.raises(ValueError, match="no interval"):
        replicates_for(row, 1.0)


def test_progress_counts_the_weeks_of_all_runs() -> None:
    seen: list[tuple[int, int]] = []
    compare(
        make(40, seed=2)[1], Policy.load("legacy"), Policy.load("uniform-3pct"), replicates=2, weeks=3,
        threads=2, progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(k, 12) for k in range(1, 13)]


def test_a_large_world_is_run_by_all_threads_at_once_and_tells_the_same(world, legacy, monkeypatch):
    options = {"replicates": 2, "weeks": 6, "threads": 2}
    small = compare(world, legacy, Policy.load("shanghai-2025"), **options)
    monkeypatch.setattr(comparisons, "LARGE_WORLD", 0)
    large = compare(world, legacy, Policy.load("shanghai-2025"), **options)
    pd.testing.assert_frame_equal(small.summary, large.summary, check_exact=True)


def test_intervals_of_values_stay_within_what_is_possible() -> None:
    _, world = make(400, seed=3)
    summary = compare(
        world, Policy.load("legacy"), Policy.load("shanghai-2025"), replicates=3, weeks=13
    ).summary
    assert (summary["low"].dropna() >= 0).all()
    shares = summary[summary["measure"].isin(SHARES)]
    assert (shares["high"].dropna() <= 1).all()
    seen = shares.dropna(subset=["value", "low"])
    assert (seen["high"] > seen["low"]).all()  # a rate that every replicate repeats is no certain one
    changes = summary.dropna(subset=["difference_low"])
    apart = changes["difference"] != 0
    assert (changes["difference_high"] > changes["difference_low"])[apart].all()
    assert (summary["difference_low"] < 0).any()  # differences are not cut


def test_values_that_are_all_the_same_have_no_interval_however_many():
    for n in (2, 6, 50):
        values = np.column_stack([np.full(n, 0.1), np.zeros(n), np.arange(n), np.zeros(n)])
        mean, low, high = mean_interval(values)
        assert mean[0] == pytest.approx(0.1)
        assert np.isnan([low[[0, 1, 3]], high[[0, 1, 3]]]).all()
        assert low[2] < mean[2] < high[2]
        # As differences: of zero from zero nothing is known, of zero from something that nothing changed.
        against = np.column_stack([np.ones(n), np.zeros(n), np.ones(n), np.arange(n)])
        _, low, high = mean_interval(values, against=against)
        assert np.isnan([low[:2], high[:2]]).all()
        assert (low[3], high[3]) == (0, 0)
    with pytest.raises(ValueError, match="'among' must be at least 1"):
        mean_interval(np.arange(3.0), 0)


def test_what_is_zero_in_every_replicate_has_no_interval(comparison):
    for frame in (comparison.summary, comparison.years):
        rows = frame[frame["replicates"] > 1]
        level = rows[["low", "high"]].dropna()
        assert (level["high"] > level["low"]).all()
        nothing = (rows["value"] == 0) & (rows["baseline_value"] == 0)
        assert rows.loc[nothing, ["difference_low", "difference_high"]].isna().all(axis=None)
    assert nothing.any() or (comparison.summary["value"] == 0).any()
    cells = comparison.transitions.dropna(subset=["low"])
    assert (cells["high"] > cells["low"]).all()
    assert (comparison.transitions["enterprises"] == 0).any()


def test_nothing_is_said_to_fall_by_more_than_all_of_it(comparison):
    said = comparison_of(comparison, difference=20.0, difference_low=-742.4, difference_high=782.4).sentences(
        "en"
    )
    assert "findings +20.0% [−100.0, +782.4]" in said[1]
    said = comparison_of(comparison, difference=0.0, difference_low=np.nan, difference_high=np.nan).sentences(
        "en"
    )
    assert "findings 0.0%," in said[1]
    said = comparison_of(comparison, baseline_value=0.0).sentences("en")
    assert "findings –," in said[1]
    assert "[–" not in " ".join(said)


def comparison_of(comparison, **changed):
    """Return a comparison of one reform whose findings, of 100 before, are others."""
    policies = comparison.policies[:2]
    summary = comparison.summary[comparison.summary["policy"].isin(policies)].copy()
    mine = (summary["policy"] == policies[1]) & (summary["measure"] == "findings")
    for name, value in ({"baseline_value": 100.0} | changed).items():
        summary.loc[mine, name] = value
    return replace(comparison, summary=summary, policies=policies)


def test_a_cut_interval_gives_the_replicates_of_the_whole():
    whole = {"measure": "finding_rate"} | row_with(0.5, 3, difference=0.4)
    cut = whole | {"difference_high": 1.0}
    assert whole["difference_high"] > 1
    assert replicates_for(cut, 0.1) == replicates_for(whole, 0.1)
    with pytest.raises(ValueError, match="every difference that shares can have"):
        replicates_for(cut | {"difference_low": -1.0}, 0.1)
    with pytest.raises(ValueError, match="or one in all"):
        replicates_for(cut | {"difference_low": np.nan, "difference_high": np.nan}, 0.1)


def test_differences_of_shares_stay_within_one(comparison):
    ends = comparison.summary[comparison.summary["measure"].isin(SHARES)]
    assert not (ends[["difference_low", "difference_high"]].abs() > 1).any(axis=None)
