"""Figures: they draw what the frames say, in both languages, with n and intervals, and nothing else."""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Callable
from datetime import date
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tierkit import plot
from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.evaluate import Fairness, Feedback, Ranking, Stability, ranking, tier_stability
from tierkit.evaluate.backtest import Backtest
from tierkit.evaluate.feedback.feedback import ARMS, MEASURES
from tierkit.plot import fonts
from tierkit.plot.labels import wrap
from tierkit.plot.style import COLORS, INK
from tierkit.policy import Policy
from tierkit.records import OWNERSHIPS
from tierkit.report import RunReport
from tierkit.scores.monitoring import Bands, Monitoring, monitor
from tierkit.scores.scorecard import CreditScorecard

BINS = pd.DataFrame({
    "predicted": [0.05, 0.1, 0.2], "observed": [0.04, 0.12, 0.19], "low": [0.02, 0.08, 0.14],
    "high": [0.08, 0.17, 0.25], "n": [300, 200, 100],
})  # fmt: skip

ESTIMATES = pd.DataFrame({
    "label": ["naive", "random", "matched"], "value": [0.15, 0.1, np.nan], "low": [0.14, 0.08, np.nan],
    "high": [0.16, 0.12, np.nan], "n": [9000, 900, 4],
})  # fmt: skip


def rerun() -> Backtest:
    """Return a rerun of which a fifth of the cells lie outside."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(2, 40, (12, 6, 16)) * (rng.random((12, 6, 16)) < 0.1)
    observed = np.where(rng.random(mean.shape) < 0.2, 3 * mean, mean).round().astype(np.int64)
    day = date(2024, 1, 1)
    return Backtest(None, day, date(2024, 12, 30), rng.poisson(mean, (39, *mean.shape)), observed)  # type: ignore[arg-type]


RERUN = rerun()


def monitored() -> Monitoring:
    """Return a month in which one feature of two has moved."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"adverse_open": rng.integers(0, 3, 3000), "penalties_open": rng.integers(0, 2, 3000)})
    X = X.astype(float)
    y = (rng.random(3000) < 0.1 + 0.1 * X.sum(axis=1)).astype(int)
    card = CreditScorecard(monotone={"adverse_open": -1, "penalties_open": -1}).fit(X, y)
    now = X.sample(1000, random_state=1).assign(adverse_open=lambda rows: rows["adverse_open"].clip(lower=1))
    return monitor(card, now, Bands.of(card.points(X)))


def moving() -> Stability:
    """Return the stability of tiers by a matrix and by a composite score."""
    rng = np.random.default_rng(1)
    home = pd.DataFrame({"enterprise_id": [f"e{i}" for i in range(300)], "sector": "food"})
    scores = {
        date(2024, month, 1): home.assign(
            risk_probability=rng.uniform(0.05, 0.15, 300), credit_points=rng.normal(560, 20, 300)
        )
        for month in range(1, 7)
    }
    return tier_stability(scores, [Policy.load("jiading-2025"), Policy.load("shanghai-2025")])


MONITORED, MOVING = monitored(), moving()


def ranked() -> Ranking:
    """Return a score that knows something of who violates, and more of who inspects."""
    rng = np.random.default_rng(0)
    who, fault = rng.integers(0, 3, 300), rng.normal(size=300)
    event = rng.random(300) < 1 / (1 + np.exp(3 - who - fault))
    days = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D")
    return ranking(event.astype(int), who + fault, days, group=who, replicates=39)


RANKED = ranked()


def fair() -> Fairness:
    """Return groups of which one is inspected more, one less and one too little to tell."""
    ratio = np.array([1.02, 0.7, 1.9, np.nan, 0.97])
    n = [3700, 110, 105, 60, 1200]
    visits = pd.DataFrame({
        "group": "ownership", "level": OWNERSHIPS, "n": n, "ratio": ratio, "ratio_low": ratio / 1.2,
        "ratio_high": ratio * 1.2, "like": ratio, "like_low": ratio / 1.3, "like_high": ratio * 1.3,
        "verdict": ["no_difference", "less", "more", "too_few", "no_difference"],
    })  # fmt: skip
    none = pd.DataFrame()
    return Fairness(date(2024, 7, 1), 180, none, visits, none, none, none, none)


def retrained() -> Feedback:
    """Return four rounds in three worlds."""
    rng = np.random.default_rng(0)
    rows = [
        (arm.name, seed, k, measure, (9.0 if "1,000" in unit else 0.5) / k + rng.normal(0, 0.02))
        for arm in ARMS
        for seed in range(3)
        for k in range(1, 5)
        for measure, unit in MEASURES.items()
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "round", "measure", "value"])
    return Feedback(frame, ARMS, 3000)


@pytest.fixture
def figures(
    summary: pd.DataFrame,
    tier_frame: pd.DataFrame,
    visit_frame: pd.DataFrame,
    report_run: RunReport,
    screened: pd.DataFrame,
    swings: pd.DataFrame,
) -> dict[str, Callable[[str], object]]:
    jiading = tier_frame[tier_frame["policy"] == "jiading-2025"]
    points = np.random.default_rng(1).normal(560, 40, 500)
    years, moved = report_run.years, report_run.transitions
    return {
        "load": lambda lang: plot.load(summary, lang=lang),
        "outcomes": lambda lang: plot.outcomes(summary, lang=lang),
        "trade_off": lambda lang: plot.trade_off(summary, lang=lang),
        "kappa": lambda lang: plot.kappa(summary, lang=lang),
        "visits": lambda lang: plot.visits(visit_frame, lang=lang),
        "drift": lambda lang: plot.drift(years, lang=lang),
        "transitions": lambda lang: plot.transitions(moved, "minhang-2023", lang=lang),
        "triggers": lambda lang: plot.triggers(summary, lang=lang),
        "fairness": lambda lang: plot.fairness(summary, "size", "jinshan-2025", lang=lang),
        "tier_sizes": lambda lang: plot.tier_sizes(tier_frame, lang=lang),
        "matrix": lambda lang: plot.matrix(jiading, lang=lang, policy="jiading-2025"),
        "calibration": lambda lang: plot.calibration(BINS, lang=lang),
        "points": lambda lang: plot.points(points, [500, 550, 580], lang=lang),
        "backtest": lambda lang: plot.backtest(RERUN, lang=lang),
        "found": lambda lang: plot.found(RANKED, lang=lang),
        "waterfall": lambda lang: plot.waterfall(
            [0.4, -0.3, 0.1], -2, ["发现问题 2 次", "b", "c"], lang=lang, cutoffs=[-1.9]
        ),
        "estimates": lambda lang: plot.estimates(ESTIMATES, title="%", axis="%", truth=0.11, lang=lang),
        "monitoring": lambda lang: plot.monitoring(MONITORED, lang=lang),
        "tier_stability": lambda lang: plot.tier_stability(MOVING, lang=lang),
        "equal_visits": lambda lang: plot.equal_visits(fair(), lang=lang),
        "feedback": lambda lang: plot.feedback(retrained(), lang=lang),
        "screening": lambda lang: plot.screening(screened, lang=lang),
        "tornado": lambda lang: plot.tornado(swings, lang=lang),
    }


NAMES = [
    "load", "outcomes", "trade_off", "kappa", "visits", "fairness", "tier_sizes", "matrix", "calibration",
    "points", "waterfall", "drift", "transitions", "triggers", "screening",
    "tornado", "backtest", "estimates", "monitoring", "tier_stability",
    "found", "equal_visits", "feedback",
]  # fmt: skip


def words_of(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.figure.findobj(plt.Text))  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_title_and_n_and_every_glyph(
    name: str, lang: str, figures: dict[str, Callable[[str], object]]
) -> None:
    ax: Axes = np.atleast_1d(np.asarray(figures[name](lang)))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(io.BytesIO(), format="png", dpi=50)
    words = words_of(ax)
    assert fonts.missing(words) == []
    if name != "waterfall":  # one enterprise
        assert any(char.isdigit() for char in words)
        assert ("家经营主体" if lang == "zh" else "enterprises") in words or "n = " in words
    if lang == "en":
        shown = [text for text in words.split("\n") if text != "发现问题 2 次"]
        assert not any("\u4e00" <= char <= "\u9fff" for text in shown for char in text)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_texts_of_a_figure_overlap(name: str, figures: dict[str, Callable[[str], object]]) -> None:
    for lang in ("zh", "en"):
        figure = np.atleast_1d(np.asarray(figures[name](lang)))[0].figure
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(plt.Text) if text.get_visible() and text.get_text().strip()]
        boxes = [
            (text.get_text(), text.get_window_extent()) for text in shown if text not in _undrawn(figure)
        ]
        whole = figure.bbox
        for i, (a, box) in enumerate(boxes):
            assert whole.x0 - 1 <= box.x0, f"{a!r} leaves the figure {name} ({lang})"
            assert box.x1 <= whole.x1 + 1, f"{a!r} leaves the figure {name} ({lang})"
            for b, other in boxes[i + 1 :]:
                across = min(box.x1, other.x1) - max(box.x0, other.x0)
                up = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert across < 1.5 or up < 2.5, f"{a!r} and {b!r} overlap in {name} ({lang})"


def _undrawn(figure: Figure) -> set[plt.Text]:
    """Return the labels of ticks beyond the axes' limits, which matplotlib keeps but does not draw."""
    hidden: set[plt.Text] = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not (axis.get_visible() and low - 1e-9 <= tick.get_loc() <= high + 1e-9):
                    hidden |= {tick.label1, tick.label2}
    return hidden


def test_load_draws_the_values_of_the_channels(summary: pd.DataFrame) -> None:
    ax = plot.load(summary)
    rows = summary[(summary["group"] == "channel") & (summary["level"] == "routine")]
    expected = list(rows["value"])
    drawn = [patch.get_width() for patch in ax.containers[0]]
    np.testing.assert_allclose(drawn, expected, atol=1e-9)
    total = summary[
        (summary["measure"] == "inspections") & (summary["group"] == "all") & (summary["weeks"] == 52)
    ]
    assert len(total) == 18  # the frame has three kappas; only one of them is drawn
    assert len(drawn) == 6


def test_effects_puts_the_baseline_first_and_relates_the_interval_to_it(summary: pd.DataFrame) -> None:
    frame = plot.effects(summary, "harm", kappa=0.25, weeks=260)
    assert frame["policy"].iloc[0] == "legacy"
    assert frame["relative"].iloc[0] == 0
    row = frame.iloc[1]
    np.testing.assert_allclose(row["relative_low"], row["difference_low"] / row["baseline_value"], atol=1e-12)
    assert row["relative_low"] < row["relative"] < row["relative_high"]
    own = frame.assign(policy=frame["policy"])
    again = plot.effects(own, "harm", kappa=0.25, weeks=260)
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)


def test_effects_says_what_the_summary_has(summary: pd.DataFrame) -> None:
    with pytest.raises(KeyError, match=r"no 'harm' by 'all' at kappa = 0\.5 over 52 weeks; it has"):
        plot.effects(summary, "harm", kappa=0.5)


def test_tier_sizes_counts_enterprises(tier_frame: pd.DataFrame) -> None:
    ax = plot.tier_sizes(tier_frame)
    counts = tier_frame.groupby(["tier", "policy"]).size()
    assert ax.containers[3][3].get_width() == counts["T4", "jiading-2025"]
    assert sum(container[0].get_width() for container in ax.containers) == 4000


def test_matrix_says_when_a_cell_holds_several_tiers() -> None:
    frame = pd.DataFrame(
        {"risk_level": [1, 1, 1, 2], "credit_grade": ["A", "A", "A", "B"], "tier": ["T1", "T1", "T2", "T4"]}
    )
    words = [text.get_text() for text in plot.matrix(frame).texts]
    assert words == ["T1 67%", "3", "0", "0", "T4", "1"]


def test_points_shares_are_of_the_right_grade() -> None:
    ax = plot.points([480.0, 500.0, 549.0, 550.0, 700.0], [500.0, 550.0], grades=("A", "B", "C"))
    labels = [text.get_text() for text in ax.texts]
    assert [label for label in labels if "%" in label] == ["C\n20.0%", "B\n40.0%", "A\n40.0%"]


def test_waterfall_keeps_the_sum() -> None:
    values = np.array([0.5, -0.25, 0.125, 0.0625, -0.5])
    ax = plot.waterfall(values, -2.0, list("abcde"), top=2)
    assert "this enterprise −2.06" in [text.get_text() for text in ax.texts]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "e", "3 other facts"]
    with pytest.raises(ValueError, match="5 contributions, 1 labels"):
        plot.waterfall(values, -2.0, ["a"])


def test_fairness_shows_rates_per_100_enterprises_and_year(summary: pd.DataFrame) -> None:
    ax = plot.fairness(summary, "ownership", "jinshan-2025")
    rows = summary[
        (summary["group"] == "ownership")
        & (summary["policy"] == "jinshan-2025")
        & (summary["level"] == "state")
    ].iloc[0]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == INK["paper"]]
    np.testing.assert_allclose(hollow[1].get_xdata()[0], rows["baseline_value"] / rows["n"] * 100, atol=1e-9)


def test_a_change_of_nothing_leaves_the_names_of_groups_alone(summary: pd.DataFrame) -> None:
    mine = (summary["group"] == "size") & (summary["level"] == "medium")
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0, "relative": -1.0, "n": 9}
    ax = plot.fairness(
        summary.assign(**{k: summary[k].where(~mine, v) for k, v in nothing.items()}), "size", "jinshan-2025"
    )
    ax.figure.draw_without_rendering()
    change = next(text for text in ax.texts if text.get_text() == "−100%").get_window_extent()
    assert change.x0 > ax.get_window_extent().x1
    names = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(name.x1 < change.x0 for name in names)


def test_the_zero_line_strikes_no_label_through(summary: pd.DataFrame) -> None:
    axes = plot.outcomes(summary)
    axes[0].figure.draw_without_rendering()
    struck = 0
    for ax in axes:
        lines = [
            ax.transData.transform(segment)
            for lines in ax.collections
            for segment in getattr(lines, "get_segments", list)()
            if (segment[:, 0] == 0).all()
        ]
        assert lines
        for text in ax.texts:
            box = text.get_window_extent()
            struck += box.x0 < lines[0][0, 0] < box.x1
            assert not any(
                box.x0 < line[0, 0] < box.x1
                and min(line[:, 1].max(), box.y1) - max(line[:, 1].min(), box.y0) > 2.5
                for line in lines
            ), text.get_text()
    assert struck, "no label stands at zero, so that the test shows nothing"


def test_equal_visits_marks_what_is_told_and_says_what_is_refused() -> None:
    ax = plot.equal_visits(fair())
    colors = [label.get_color() for label in ax.get_yticklabels()]
    assert [color == COLORS["direction"]["worse"] for color in colors] == [False, True, True, False, False]
    assert [text.get_text() for text in ax.texts] == ["too few to tell"]
    np.testing.assert_allclose(ax.lines[1].get_xdata(), fair().visits["ratio"])
    with pytest.raises(KeyError, match="no group 'size'; it has ownership"):
        plot.equal_visits(fair(), "size")


def test_feedback_draws_the_means_of_every_arm() -> None:
    axes = plot.feedback(retrained(), ["never", "missed", "gap"])
    means = retrained().summary()
    for ax, measure in zip(axes, ["never", "missed", "gap"], strict=True):
        for line, arm in zip(ax.lines, ARMS, strict=True):
            mine = means[(means["arm"] == arm.name) & (means["measure"] == measure)]
            np.testing.assert_allclose(line.get_ydata(), mine["value"])
    one = Feedback(retrained().rounds.query("seed == 0"), ARMS, 3000)
    assert "no intervals" in words_of(plot.feedback(one)[0])


def test_outcomes_say_what_a_missing_bar_and_the_rates_change_mean(summary: pd.DataFrame) -> None:
    words = " ".join(words_of(plot.outcomes(summary)[0]).split())
    assert "where none shows, it is shorter than the dot" in words
    assert "from 10% to 12% is +20% here and +2 points in the tables" in words


@pytest.mark.parametrize("name", ["load", "outcomes", "trade_off", "kappa", "fairness"])
def test_one_replicate_is_called_one_and_promised_no_interval(name: str, summary: pd.DataFrame) -> None:
    ends = ["low", "high", "difference_low", "difference_high"]
    once = summary.assign(replicates=1, **dict.fromkeys(ends, np.nan))
    more = {"fairness": ("size", "jinshan-2025")}.get(name, ())
    words = words_of(np.atleast_1d(np.asarray(getattr(plot, name)(once, *more)))[0])
    assert "1 replicate" in words
    assert "1 replicates" not in words
    assert "95%" not in words
    assert "One replicate has no intervals." in words


def test_a_screening_shows_effects_with_intervals_and_noise(screened: pd.DataFrame) -> None:
    left, right = plot.screening(screened, measure="harm", top=4)
    assert [text.get_text() for text in left.get_yticklabels()][1] == "frequency at T1 × 0.5–2"
    # Hollow first: the fourth stands not out; then the three that do.
    hollow, solid = (line for line in left.lines if len(line.get_xdata()))
    np.testing.assert_allclose(hollow.get_xdata(), [0.025], atol=1e-12)
    np.testing.assert_allclose(solid.get_xdata(), [0.1, 0.05, 0.1 / 3], atol=1e-12)
    assert hollow.get_markerfacecolor() == INK["paper"] != solid.get_markerfacecolor()
    ends = sorted(float(x) for bar in left.collections for x in bar.get_segments()[0][:, 0])
    np.testing.assert_allclose(ends[-2:], [0.06, 0.14], atol=1e-12)
    noise = [segment[:, 0].tolist() for segment in left.collections[-1].get_segments()]
    assert noise == [[0.03, 0.03]] * 4
    np.testing.assert_allclose(right.lines[-1].get_xdata(), [0.0, 0.03, 0.06], atol=1e-12)
    with pytest.raises(KeyError, match="has no 'visits'; it has findings, harm"):
        plot.screening(screened, measure="visits")


def test_a_tornado_runs_from_the_comparison_as_it_is_to_either_end(swings: pd.DataFrame) -> None:
    ax = plot.tornado(swings, measure="harm", top=3)
    low, high = ax.containers
    np.testing.assert_allclose([bar.get_width() for bar in low], [-0.06, -0.03, -0.02], atol=1e-12)
    np.testing.assert_allclose([bar.get_width() for bar in high], [0.05, 0.015, 0.01 / 3], atol=1e-12)
    assert {bar.get_x() for bar in high} == {-0.13}
    assert [text.get_text() for text in ax.texts] == ["0.5", "× 0.5", "× 0.6", "0.9", "× 2", "× 2.4"]
    assert "−13.0% [−15.0%, −11.0%]" in words_of(ax).replace("\n", " ")
    with pytest.raises(KeyError, match="has no 'visits'"):
        plot.tornado(swings, measure="visits")


def test_svg_is_the_same_on_every_run(summary: pd.DataFrame) -> None:
    def drawn() -> bytes:
        with plot.style():
            out = io.BytesIO()
            plot.trade_off(summary).figure.savefig(out, format="svg", metadata={"Date": None})
            return out.getvalue()

    assert drawn() == drawn()


@pytest.mark.parametrize("kind", ["tier", "channel", "visits"])
def test_neighbouring_colours_differ_in_lightness(kind: str) -> None:
    # Lightness survives every colour vision deficiency and a black-and-white printer; neighbours in a stack
    # must differ in it.
    order = {"channel": ["routine", "random", "commitment", "campaign", "trigger", "followup"]}.get(
        kind, list(COLORS[kind])
    )
    lights = [
        np.dot([0.2126, 0.7152, 0.0722], np.array(to_rgb(COLORS[kind][level])) ** 2.2) for level in order
    ]
    ratios = [(max(a, b) + 0.05) / (min(a, b) + 0.05) for a, b in pairwise(lights)]
    assert min(ratios) > 1.25, ratios


def test_wrap_keeps_every_character_and_the_width() -> None:
    text = "检查少了、发现率高了，发现总数、漏查和危害仍须一并看。Read the rate together with findings."
    lines = wrap(text, 12)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(line[0] not in "，。、" for line in lines)


def test_drift_draws_the_paired_change_of_each_year(report_run: RunReport) -> None:
    years = report_run.years
    assert years is not None
    axes = plot.drift(years, tier="T2", measure="harm")
    assert [ax.get_title(loc="left") for ax in axes] == ["κ = 0", "κ = 0.1", "κ = 0.25"]
    rows = years[(years["policy"] == "jinshan-2025") & (years["level"] == "T2") & (years["kappa"] == 0.25)]
    rows = rows[rows["measure"] == "harm"].sort_values("year")
    drawn = [
        line.get_ydata() for line in axes[2].lines if line.get_color() == plot.policy_color("jinshan-2025")
    ]
    np.testing.assert_allclose(drawn[0], rows["difference"] / rows["baseline_value"], atol=1e-12)


def test_drift_leaves_out_plans_with_next_to_nobody_in_the_tier(report_run: RunReport) -> None:
    years = report_run.years
    assert years is not None
    few = years.assign(n=np.where(years["policy"] == "jinshan-2025", 29, years["n"]))
    shown = "\n".join(text.get_text() for text in plot.drift(few)[2].texts)
    assert "Jinshan" not in shown
    assert "Jiading" in shown
    with pytest.raises(KeyError, match="no years of 'prevalence' with 30 enterprises in T1"):
        plot.drift(years.assign(n=29))


def test_transitions_write_every_share_with_its_interval(report_run: RunReport) -> None:
    moved = report_run.transitions
    assert moved is not None
    ax = plot.transitions(moved, "jinshan-2025")
    cells = [text.get_text() for text in ax.texts]
    assert len(cells) == 20
    assert cells[0] == "75%\n[74.0%, 76.0%]"
    assert cells[4] == "9.0%\n[8.0%, 10.0%]"
    assert ax.get_yticklabels()[3].get_text() == "T4  n = 500"
    with pytest.raises(KeyError, match=r"no moves under 'jinshan-2025' at kappa = 0\.5"):
        plot.transitions(moved, "jinshan-2025", kappa=0.5)


DRAWN = sorted(
    set(plot.__all__)
    - {"COLORS", "canvas", "horizon", "policy_color", "policy_label", "stacked_bars", "style", "tier_label"}
)


@pytest.mark.parametrize("name", DRAWN)
def test_what_cannot_be_drawn_is_refused_in_a_sentence_that_names_the_argument(name: str) -> None:
    draw = getattr(plot, name)
    first, *others = inspect.signature(draw).parameters.values()
    rest = [one for one in others if one.default is one.empty]
    given = ["legacy" for one in rest if one.kind is not one.KEYWORD_ONLY]
    named = {one.name: "x" for one in rest if one.kind is one.KEYWORD_ONLY}
    for wrong in (None, [], 3, "scores", pd.DataFrame(), pd.DataFrame({"x": [1]}), {"measure": "harm"}):
        with pytest.raises(ValueError, match=rf"'{first.name}'|no records|finite"):
            draw(wrong, *given, **named)
    plt.close("all")


@pytest.mark.parametrize(
    "change",
    [{"low": [0.2, 0.08, np.nan]}, {"n": [9, np.nan, 4]}, {"value": [np.inf, 0.1, 0.2]}, {"label": None}],
)
def test_estimates_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"'(low|n|value|label)'"):
        plot.estimates(ESTIMATES.assign(**change), title="t", axis="a")
    with pytest.raises(ValueError, match="'truth'"):
        plot.estimates(ESTIMATES, title="t", axis="a", truth=np.nan)


def test_triggers_show_the_shielded_beside_the_others(summary: pd.DataFrame) -> None:
    axes = plot.triggers(summary)
    assert [label.get_text().split("\n")[0] for label in axes[0].get_yticklabels()][
        -1
    ] == "Minhang 2023 (draft)"
    assert len(axes[0].get_yticklabels()) == 5  # nobody is shielded under the baseline
    rows = summary[(summary["group"] == "shield") & (summary["measure"] == "trigger_share")]
    points = [line for line in axes[0].lines if line.get_marker() == "o"]
    for level, hollow in (("open", True), ("shielded", False)):
        wanted = rows.loc[(rows["level"] == level) & (rows["policy"] != "legacy"), "value"]
        drawn = [p.get_xdata()[0] for p in points if (p.get_markerfacecolor() == INK["paper"]) == hollow]
        np.testing.assert_allclose(drawn, wanted)
    nobody = summary[(summary["group"] != "shield") | (summary["level"] == "open")]
    with pytest.raises(KeyError):
        plot.triggers(nobody)


def test_the_n_of_the_shielded_are_enterprises_as_the_caption_says() -> None:
    _, world = make(300, seed=1)
    plan = Policy.load("jinshan-2025").reform({"lists.unmonitored.max_risk": 1.0}, name="plan")
    found = compare(world, Policy.load("legacy"), plan, replicates=2, weeks=4).summary
    rows = found[(found["policy"] == "plan") & (found["measure"] == "inspections")]
    n = rows.set_index(["group", "level"])["n"]["shield"]
    assert n["shielded"] > 0
    assert n.sum() == rows.set_index("group")["n"]["all"] >= world.alive().sum()
    (ax, _) = plot.triggers(found, weeks=4)
    assert f"n = {n['shielded']}," in ax.get_yticklabels()[0].get_text()
    assert any("n: enterprises shielded" in text.get_text() for text in ax.figure.texts)


def test_a_rerun_draws_every_judged_cell_inside_or_outside() -> None:
    ax = plot.backtest(RERUN)
    cells = RERUN.table()
    cells = cells[cells["judged"]]
    inside, outside = (line.get_ydata() for line in ax.lines)
    assert len(inside) == cells["inside"].sum() == RERUN.coverage["inside"]
    assert len(outside) == (~cells["inside"]).sum() > 5
    assert sorted(outside) == sorted(cells.loc[~cells["inside"], "observed"])


def test_estimates_colour_those_whose_interval_misses_the_truth_and_name_the_refused() -> None:
    ax = plot.estimates(ESTIMATES, title="rate", axis="share", truth=0.11)
    colours = {to_rgb(line.get_color()): list(np.asarray(line.get_xdata())) for line in ax.lines}
    assert colours[to_rgb(COLORS["direction"]["worse"])] == [0.15]
    assert colours[to_rgb(COLORS["direction"]["better"])] == [0.1]
    assert "refused: the records do not carry it" in words_of(ax)
    assert len(ax.lines) == 3  # the truth, and one for either colour
    without = plot.estimates(ESTIMATES, title="rate", axis="share")
    assert "Dashed" not in words_of(without)


def test_monitoring_draws_the_indices_and_the_points_of_chance() -> None:
    ax = plot.monitoring(MONITORED)
    table = MONITORED.table.iloc[::-1]
    strokes = next(line for line in ax.lines if line.get_marker() == "|")
    np.testing.assert_array_equal(strokes.get_xdata(), table["null_95"])
    dots = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "o"])
    least = 0.3 * table["null_95"].min()
    np.testing.assert_allclose(sorted(dots), sorted(np.maximum(table["index"], least)))
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "score (PSI)"


def test_tier_stability_draws_the_shares_of_its_table() -> None:
    axes = plot.tier_stability(MOVING)
    for ax, measure in zip(axes, ("change_share", "flip_share", "held_share"), strict=True):
        dots = [x for line in ax.lines if line.get_marker() == "o" for x in line.get_xdata()]
        shown = MOVING.table.loc[MOVING.table["measure"] == measure, "value"]
        np.testing.assert_allclose(sorted(dots), sorted(shown))


# What a figure may be given

TIERED = pd.DataFrame({"policy": ["legacy"] * 4, "tier": ["T1", "T1", "T2", "T4"]})
PLACED = pd.DataFrame({"risk_level": [1, 2], "credit_grade": ["A", "B"], "tier": ["T1", "T4"]})
VISITED = pd.DataFrame({"policy": ["legacy"] * 2, "visits": [0, 1], "enterprises": [70, 30]})


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (
            lambda: plot.tier_sizes(TIERED.assign(tier=["T1", "T9", None, "T4"])),
            "unknown in 2 of 4 rows, .* T9",
        ),
        (
            lambda: plot.tier_sizes(TIERED.assign(enterprises=-1)),
            "'enterprises' must be a finite number, 0 or",
        ),
        (lambda: plot.tier_sizes(TIERED.assign(policy=[None, "a", "b", "c"])), "'policy' .* in 1 of 4 rows"),
        (lambda: plot.tier_sizes(TIERED[:0]), "'tiers' has no rows, so there is nothing to draw"),
        (lambda: plot.tier_sizes(TIERED[["tier"]]), "'tiers' has no column 'policy'"),
        (lambda: plot.matrix(PLACED[:0]), "'tiers' has no rows"),
        (lambda: plot.matrix(PLACED.assign(risk_level=[1, 1.5])), "'risk_level' must be a whole number"),
        (lambda: plot.matrix(PLACED.assign(risk_level=[0, 5])), "must be from 1 to 4. 2 of 2 rows hold"),
        (lambda: plot.matrix(PLACED, shape=(1, 2)), "must be from 1 to 1. 1 of 2 rows hold"),
        (lambda: plot.matrix(PLACED, shape=(2, 1)), "'credit_grade' .* in 1 of 2 rows, the first holds B"),
        (lambda: plot.matrix(PLACED.assign(tier="T7")), "'tier' .* in 2 of 2 rows"),
        (lambda: plot.calibration(BINS.assign(observed=7)), "'observed' must be a probability in 0 … 1"),
        (lambda: plot.calibration(BINS.assign(predicted=np.nan)), "'predicted' must be a probability"),
        (lambda: plot.calibration(BINS.assign(high=1.2)), "'low' and 'high' of the 'table' must be shares"),
        (lambda: plot.calibration(BINS.assign(low=0.9)), "'low' and 'high' of the 'table' must be shares"),
        (lambda: plot.calibration(BINS.assign(n=-1)), "'n' must be a finite number, 0 or more"),
        (lambda: plot.calibration(BINS[:0]), "'table' has no rows"),
        (lambda: plot.calibration([0.1]), "'table' must be a DataFrame"),
        (lambda: plot.visits(VISITED.assign(visits=1.9)), "'visits' must be a whole number in every row"),
        (lambda: plot.visits(VISITED.assign(visits=-1)), "'visits' must be a finite number, 0 or more"),
        (lambda: plot.visits(VISITED.assign(enterprises=-1)), "'enterprises' must be a finite number, 0"),
        (lambda: plot.visits(VISITED[:0]), "'distribution' has no rows"),
        (lambda: plot.points([]), "None of 0 'credit_points' is known"),
        (lambda: plot.points([np.nan, None]), "None of 2 'credit_points' is known"),
        (lambda: plot.points([500, np.inf]), "'credit_points' must be a finite number, or missing"),
        (lambda: plot.points([[500.0]]), "'credit_points' has the shape"),
        (lambda: plot.points([500.0], [550, 500]), "'cutoffs' must ascend"),
        (lambda: plot.points([500.0], [[500], [550]]), "'cutoffs' has the shape"),
        (lambda: plot.points([500.0], [np.nan]), "'cutoffs' must be a finite number"),
        (lambda: plot.points([500.0], [550], grades="ABC"), "must be one more than the 1 cut-offs"),
        (lambda: plot.points([500.0], [550], grades="AZ"), "out of A, B, C, D. Got A, Z"),
        (lambda: plot.points([500.0], [1, 2, 3, 4]), "must be one more than the 4 cut-offs"),
        (lambda: plot.waterfall([np.nan], 0, ["a"]), "'contributions' must be a finite number"),
        (lambda: plot.waterfall([1.0], np.nan, ["a"]), "'base' must be a finite number"),
        (lambda: plot.waterfall([1.0], 0, ["a"], cutoffs=[2, 1]), "'cutoffs' must ascend"),
    ],
)
def test_a_figure_refuses_what_it_cannot_draw(draw: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw()


def test_margins_that_are_rounded_to_the_same_are_drawn() -> None:
    ax = plot.waterfall([1.0], 0, ["a"], cutoffs=[0.5, 0.5])
    assert {"1 | 2", "2 | 3"} <= {text.get_text() for text in ax.texts}


def test_points_that_are_missing_are_left_out_and_told() -> None:
    assert "n = 2 enterprises. Left out, as they have no points: 1." in words_of(
        plot.points([480, None, 520])
    )
    assert "没有信用分、未画出的：1 家。" in words_of(plot.points([480, None, 520], lang="zh"))
    assert "Left out" not in words_of(plot.points([480, 520]))


def test_points_without_cutoffs_tell_no_grade_and_with_them_the_best_ones() -> None:
    assert not [text for text in plot.points([480.0, 520.0]).texts if "%" in text.get_text()]
    labels = [text.get_text() for text in plot.points([480.0, 520.0], np.array([500.0])).texts]
    assert [label for label in labels if "%" in label] == ["B\n50.0%", "A\n50.0%"]


def test_bins_without_ends_and_cells_without_rows_are_drawn() -> None:
    plot.calibration(BINS.assign(low=np.nan, high=np.nan))
    ax = plot.matrix(PLACED[:0], shape=(2, 2))
    assert [text.get_text() for text in ax.texts] == ["0"] * 4
