import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from tierkit.compare import HEADLINE, compare
from tierkit.outcomes import run_and_measure
from tierkit.policy import Policy
from tierkit.synth import make
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
    with pytest.raises(ValueError, match="'replicates' must be at least 1"):
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
