"""Intervals over draws, models and cities: closed forms, coverage, and what pages say of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import widths
from tierkit import report
from tierkit.compare.comparison import IN_SHORT, Comparison, compare
from tierkit.compare.nested import nested_ends, parts_of, satterthwaite
from tierkit.compare.spread import Spread
from tierkit.compare.worlds import over_models, over_worlds, seed_of
from tierkit.jobs.demo import against_truth
from tierkit.policy import PLANS, Policy
from tierkit.policy.tiers import assign
from tierkit.policy.tiers.again import set_again
from tierkit.records.arguments import InputError
from tierkit.report.tables import auc_told


def nested(worlds: int, models: int, runs: int, cases: int, seed: int = 0) -> np.ndarray:
    """Return values around 3 with standard deviations 2, 1.5 and 1 of worlds, models and runs."""
    rng = np.random.default_rng(seed)
    parts = ((worlds, 1, 1, cases), (worlds, models, 1, cases), (worlds, models, runs, cases))
    return 3 + sum(sd * rng.normal(size=shape) for sd, shape in zip((2.0, 1.5, 1.0), parts, strict=True))


@pytest.mark.parametrize(("worlds", "models", "runs"), [(4, 1, 2), (3, 3, 2), (6, 1, 1)])
def test_an_interval_over_worlds_holds_the_mean_and_one_more_world_as_often_as_it_says(
    worlds: int, models: int, runs: int
) -> None:
    n = 4000
    ends = nested_ends(nested(worlds, models, runs, n))["world"]
    held = ((ends.low <= 3) & (ends.high >= 3)).mean()
    more = nested(1, 1, 1, n, seed=1)[0, 0, 0]
    one = ((ends.one_low <= more) & (more <= ends.one_high)).mean()
    for share in (held, one):  # 0.95 within four standard errors, and a little more where a level is widened
        assert 0.935 <= share <= 0.97


def test_an_interval_over_draws_alone_holds_the_mean_over_worlds_far_less_often() -> None:
    ends = nested_ends(nested(1, 1, 20, 2000))["draws"]
    assert ((ends.low <= 3) & (ends.high >= 3)).mean() < 0.35


def test_parts_of_the_variance_are_found_on_average() -> None:
    told = {name: one.mean() for name, one in parts_of(nested(30, 4, 3, 300)).items()}
    assert told["draws"] == pytest.approx(1.0, rel=0.02)
    assert told["model"] == pytest.approx(2.25, rel=0.05)
    assert told["world"] == pytest.approx(4.0, rel=0.07)


def test_a_single_level_is_students_interval() -> None:
    values = np.array([1.0, 4.0, 2.0, 5.0, 3.5])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    for level, shape in (("draws", (1, 1, 5)), ("model", (1, 5, 1)), ("world", (5, 1, 1))):
        ends = nested_ends(values.reshape(shape))[level]
        assert (float(ends.low), float(ends.high)) == (pytest.approx(low), pytest.approx(high))


def test_a_wider_level_is_never_narrower_and_what_shows_no_spread_has_no_interval() -> None:
    ends = nested_ends(nested(3, 2, 2, 500))
    assert (ends["world"].high >= ends["model"].high).all()
    assert (ends["model"].high >= ends["draws"].high).all()
    assert np.isnan(nested_ends(np.ones((3, 1, 2)))["world"].low)


def test_degrees_of_freedom_of_equal_parts_add_up() -> None:
    total, freedom = satterthwaite([(np.array(1.0), 4.0), (np.array(1.0), 4.0)])
    assert (float(total), float(freedom)) == (2.0, 8.0)


def test_a_change_of_a_count_is_the_ratio_of_means_of_each_world() -> None:
    rng = np.random.default_rng(2)
    runs = pd.DataFrame({"world": np.repeat(range(3), 4), "member": 0, "replicate": np.tile(range(4), 3)})
    runs = runs.assign(value=rng.uniform(5, 9, 12), baseline_value=rng.uniform(9, 12, 12))
    told = Spread.of(
        runs.assign(policy="mine", measure="harm", cutoffs="stated"), ("legacy", "mine"), kappa=0.1, weeks=52,
        enterprises=500,
    )  # fmt: skip
    sums = runs.groupby("world")[["value", "baseline_value"]].sum()
    ratio = sums["value"] / sums["baseline_value"]
    assert told.row("mine", "harm")["change"] == pytest.approx((ratio - 1).mean())
    with pytest.raises(InputError, match="as many runs of each model"):
        Spread.of(
            runs.iloc[:-1].assign(policy="mine", measure="harm", cutoffs="stated"), ("legacy", "mine"),
            kappa=0.1, weeks=52, enterprises=500,
        )  # fmt: skip


@cache
def small() -> Spread:
    """Return two plans over three made-up cities, with cut-offs set again and as stated."""
    rng = np.random.default_rng(7)
    means = {"shanghai-2025": 0.6, "chongming-2025": 0.9}
    rows = [
        {
            "policy": plan, "measure": measure, "cutoffs": arm, "world": world, "member": 0, "replicate": run,
            "baseline_value": base,
            "value": base * (mean + rng.normal(0, 0.005) + (arm == "stated") * world / 20),
        }
        for arm in ("again", "stated")
        for plan, mean in means.items()
        for measure, base in zip(IN_SHORT, (900.0, 0.1, 90.0, 80.0, 7000.0), strict=True)
        for world in range(3)
        for run in range(2)
    ]  # fmt: skip
    return Spread.of(pd.DataFrame(rows), ("legacy", *means), kappa=0.1, weeks=12, enterprises=600)


def test_a_row_says_its_level_in_words_and_sentences_are_in_both_languages() -> None:
    frame = small().to_frame()
    assert set(frame["within"]) == {"draws", "world"}
    assert set(frame["about"]) == {"over draws alone", "cities like this"}
    assert "cities like this" in small().sentences("en")[0]
    assert "同类城市" in small().sentences("zh")[0]
    assert len(small().sentences("en")) == len(small().sentences("zh"))
    assert any("cut-offs as stated" in one for one in small().sentences("en"))
    assert {"parts", "order"} <= set(small().to_dict())


def test_the_order_of_plans_is_by_worlds_with_its_share() -> None:
    order = small().order.query("measure == 'inspections'").iloc[0]
    assert (order["lower"], order["share"], order["units"]) == ("shanghai-2025", 1.0, 3)
    assert 0 < order["low"] < order["high"] == 1.0


def test_worlds_are_the_same_whatever_others_there_are_and_threads_change_nothing() -> None:
    assert seed_of(3, 1) == seed_of(3, 1) != seed_of(3, 2)
    options = {"enterprises": 40, "models": 0, "weeks": 4, "replicates": 1, "measures": ("inspections",)}
    one, two = (over_worlds("legacy", "uniform-3pct", worlds=3, threads=n, **options) for n in (1, 2))
    assert one.rows.equals(two.rows)
    assert one.cutoffs == "rule"


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"worlds": 1}, "worlds"),
        ({"enterprises": 10}, "enterprises"),
        ({"cutoffs": ("mine",)}, "cutoffs"),
        ({"cutoffs": ()}, "cutoffs"),
        ({"replicates": 0}, "replicates"),
    ],
)
def test_what_cannot_be_run_is_refused(wrong: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        over_worlds("legacy", "shanghai-2025", **wrong)  # type: ignore[arg-type]


def made_up(n: int = 3000, tied: float = 0.6, seed: int = 0) -> pd.DataFrame:
    """Return scores of which many have the very same points, as those of whom nothing is recorded."""
    rng = np.random.default_rng(seed)
    points = np.where(rng.random(n) < tied, 550.0, rng.normal(550, 40, n))
    return pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(n)],
            "sector": "retail",
            "risk_probability": rng.beta(1, 9, n),
            "credit_points": points,
            "adverse_record": points < 530,
            "red_line": None,
        }
    )


@pytest.mark.parametrize("tied", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025"])
def test_cut_offs_set_again_give_the_target_shares_of_risk_whatever_ties_there_are(
    name: str, tied: float
) -> None:
    scores = made_up(tied=tied)
    again = set_again(Policy.load(name), scores)
    cuts = again["scoring.credit_cutoffs"]
    assert list(cuts) == sorted(set(cuts))
    below = (scores["risk_probability"] < again["scoring.risk_cutoffs"][0]).mean()
    assert below == pytest.approx(again["scoring.target_shares.T1"], abs=0.01)
    grades = assign(scores, again)["credit_grade"][scores["credit_points"] == 550.0]
    assert len(set(grades)) <= 1


def test_cut_offs_of_rule_policies_and_of_too_few_stay() -> None:
    legacy = Policy.load("legacy")
    assert set_again(legacy, made_up()) is legacy
    plan = Policy.load("shanghai-2025")
    assert set_again(plan, made_up(n=20)) is plan


def test_compare_within_the_model_and_the_world() -> None:
    from tierkit.city.synth import grow

    world = grow(300, 4)
    sectors = np.array(world.place.ids("sector"))[world.fixed.sector]
    scores, worse = (
        made_up(len(world.ids), seed=seed).assign(enterprise_id=world.ids, sector=sectors) for seed in (1, 2)
    )
    options = {"replicates": 2, "weeks": 4, "scores": scores}
    done = compare(world, "legacy", "jinshan-2025", within="model", models=[scores, worse], **options)
    assert done.spread is not None
    assert done.spread.widest == "model"
    assert "models and draws" in done.sentences("en")[0]
    assert "models and draws" in done._repr_html_()
    alone = compare(world, "legacy", "jinshan-2025", **options)
    assert alone.spread is None
    assert alone.summary.equals(done.summary)
    assert "over draws alone" in alone.sentences("en")[0]
    with pytest.raises(InputError, match="'within' must be one of"):
        compare(world, "legacy", "jinshan-2025", within="city", **options)
    with pytest.raises(InputError, match="at least 2"):
        compare(world, "legacy", "jinshan-2025", within="model", **options)
    with pytest.raises(InputError, match="at least 2 models"):
        over_models(world, "legacy", "jinshan-2025", [scores])


def run_of(comparison: Comparison, spread: Spread | None) -> report.RunReport:
    """Return a run with or without a spread."""
    from tierkit.jobs.simulation import report_of, widths_of

    policies = [Policy.load(name) for name in comparison.policies]
    return report_of(comparison, policies, None, **({} if spread is None else widths_of(spread)))


def test_the_page_says_what_its_intervals_are_over(tmp_path, monkeypatch) -> None:
    from tierkit.city.synth import grow
    from tierkit.report import run_page

    monkeypatch.setattr(run_page, "_figures", lambda run, words: {})

    plans = ["shanghai-2025", "chongming-2025"]
    done = compare(grow(200, 1), "legacy", plans, replicates=2, weeks=12)
    alone, wider = run_of(done, None), run_of(done, small())
    assert "over draws alone" in report.width_note(alone, "en")
    assert "--within world" in report.width_note(alone, "zh")
    wider.save(tmp_path / "run")
    again = report.RunReport.read(tmp_path / "run")
    assert again.spread is not None
    for lang, first, here in (
        ("en", "Over cities like this", "over draws alone"), ("zh", "就同类城市而言", "仅计随机抽取"),
    ):  # fmt: skip
        told = report.headline(again, lang)
        assert told[0].startswith(first)
        assert told[1].startswith(("Of 2 plans over cities like this", "就同类城市而言"))
        assert here in told[2]
    row = small().row("shanghai-2025", "inspections")
    page = report.index(again, tmp_path / "page").read_text("utf-8")
    assert f"{100 * row['low']:.1f}".replace("-", "−") in page
    assert report.summary_json(again)["widths"][0]["within"] == "draws"


def test_one_plan_alone_has_no_order_and_is_kept_all_the_same(tmp_path) -> None:
    from tierkit.city.synth import grow

    done = compare(grow(100, 1), "legacy", "uniform-3pct", replicates=2, weeks=4)
    alone = over_worlds("legacy", "uniform-3pct", worlds=2, enterprises=60, models=0, weeks=4)
    run_of(done, alone).save(tmp_path / "run")
    told = report.headline(report.RunReport.read(tmp_path / "run"), "en")
    assert "tiers by the rule score" in told[0]
    assert told[1].startswith("This city under this model")


def test_an_auc_stands_with_its_interval_its_counts_and_the_truth() -> None:
    known = {"n": 400, "events": 40, "auc": 0.7}
    truth = {"truth_auc": 0.63, "truth_low": 0.6, "truth_high": 0.66, "truth_n": 9000, "truth_events": 900}
    told = auc_told({"risk": known | truth, "credit": known}, "en")
    assert len(told) == 3
    assert "0.700 [0.6" in told[0]
    assert "400 rows with 40 events" in told[0]
    assert "9,000 open obligations, 900 of them in violation" in told[1]


def test_the_truth_of_a_city_ranks_perfect_scores_best() -> None:
    from tierkit.city.synth import grow

    world = grow(400, 2)
    owner = world.fixed.enterprise.astype(int)
    wrong = np.bincount(owner, world.state.violation > 0, minlength=len(world.ids)) / np.bincount(owner)
    ids = world.ids
    best = against_truth(pd.DataFrame({"enterprise_id": ids, "risk_probability": wrong}), world)
    none = against_truth(pd.DataFrame({"enterprise_id": ids, "risk_probability": 0.1}), world)
    assert best["truth_auc"] > 0.75
    assert none["truth_auc"] == 0.5
    assert none["truth_low"] < 0.5 < none["truth_high"]
    assert best["truth_n"] == none["truth_n"] > best["truth_events"] > 0


def test_the_page_of_coverage_is_made_from_what_was_run_and_goes_on_where_it_stopped(
    tmp_path, capsys
) -> None:
    sizes = {"repetitions": 2, "worlds": 2, "enterprises": 500, "draws": 2, "minutes": 5, "threads": 2}
    folder = tmp_path / "kept"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for at in range(4):
        rows = [
            {"measure": measure, "replicate": run, "policy": plan, "cutoffs": arm, "world": at, "member": 0,
             "baseline_value": 0.2 + rng.random() / 99, "value": 0.3 + rng.random() / 99}
            for measure in IN_SHORT for run in range(2) for plan in PLANS for arm in widths.ARMS
        ]  # fmt: skip
        pd.DataFrame(rows).to_parquet(folder / f"500-2-2-{at:04d}.parquet")
    runs = widths.run(folder, **sizes)
    assert capsys.readouterr().out == ""
    found = widths.covered(runs, 2, 500)
    page = widths.page(runs, found, 2, 500, 2)
    assert len(found) == 2 * 2 * len(PLANS) * len(IN_SHORT)
    assert "2 of 2" in page
    assert page.count("\n|") == 2 * (2 + len(PLANS) * len(IN_SHORT))


def test_one_more_is_never_surer_than_the_mean_however_few_worlds_there_are() -> None:
    for shape in ((2, 1, 2), (2, 3, 2), (6, 1, 2)):
        for ends in nested_ends(nested(*shape, 300)).values():
            assert (ends.one_low <= ends.low).all()
            assert (ends.one_high >= ends.high).all()
