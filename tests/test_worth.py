"""A model that is no better than chance gives no tiers unless one insists, and what it gives says so."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from tierkit import texts
from tierkit.jobs.checks import BadInputError, Checks
from tierkit.policy import Policy
from tierkit.policy.tiers.cutoffs import AIMED, CREDIT, RISK
from tierkit.policy.tiers.drift import from_elsewhere, origin
from tierkit.records import Parameter, Place
from tierkit.records.arguments import InputError
from tierkit.scores.metrics import auc
from tierkit.scores.model import Model
from tierkit.scores.worth import Worth, auc_interval, check_worth, useless, worths


def manifest(risk: tuple[float, float, float], credit: tuple[float | None, int, int]) -> dict[str, object]:
    model = {"score": "model", "auc": risk[0], "auc_low": risk[1], "auc_high": risk[2]}
    told = {"auc": credit[0], "n": credit[1], "events": credit[2]}
    return {
        "risk": {
            "metrics": {"test": {"auc": risk[0], "n": 2900, "events": 280}},
            "baselines": {"test": [{**model, "score": "random"}, model]},
        },
        "credit": {"metrics": told},
    }


GOOD, POOR = (0.64, 0.58, 0.7), (0.53, 0.46, 0.6)


@pytest.mark.parametrize(
    ("risk", "credit", "named"),
    [
        (GOOD, (0.7, 3000, 250), []),
        (POOR, (0.7, 3000, 250), ["risk"]),
        (GOOD, (0.52, 3000, 250), ["credit"]),
        (POOR, (0.45, 3000, 250), ["risk", "credit"]),
    ],
)
def test_models_whose_interval_holds_one_half_are_named_with_their_figures(
    risk: tuple[float, float, float], credit: tuple[float | None, int, int], named: list[str]
) -> None:
    about = manifest(risk, credit)
    found = useless(about)
    assert [one.model for one in found] == named
    if not named:
        check_worth(about, insist=False)
        return
    with pytest.raises(InputError) as caught:
        check_worth(about, insist=False)
    for one in found:
        assert texts.interval(one.low, one.high, 3) in str(caught.value)
        for lang in texts.LANGUAGES:
            assert texts.number(one.n) in one.sentence(lang)
    assert "insist=True" in str(caught.value)
    checks = Checks()
    with pytest.raises(BadInputError, match=r"^model: The .* better than chance.* or give `insist`"):
        checks.worth("model", about, insist=False)
    check_worth(about, insist=True)


@pytest.mark.parametrize("credit", [(0.6, 200, 9), (None, 200, 0), (0.6, 200, 191)])
def test_with_few_events_a_model_scores_and_it_is_said_that_nobody_can_tell(
    credit: tuple[float | None, int, int],
) -> None:
    [one] = useless(manifest(GOOD, credit))
    assert one.sentence("en").endswith("So few do not tell what it is worth.")
    assert one.sentence("zh").endswith("尚不能判断其优劣。")
    check_worth(manifest(GOOD, credit), insist=False)


def test_the_interval_of_credit_covers_the_truth_as_often_as_it_says() -> None:
    # Normal scores a distance apart: the true AUC is Φ(d / √2).
    rng, inside, d = np.random.default_rng(5), 0, 0.3
    for _ in range(300):
        y = np.repeat([1, 0], [40, 260])
        found = auc(y, rng.normal(d * y))
        low, high = auc_interval(found, 40, 260)
        inside += low <= norm.cdf(d / np.sqrt(2)) <= high
    assert 0.92 <= inside / 300 <= 0.985


def test_a_model_refuses_before_it_reads_anything_and_scores_when_one_insists() -> None:
    model = Model(None, None, None, manifest(GOOD, (0.52, 3000, 250)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="The credit model is not shown to be better than chance"):
        model.scored(None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):  # past the gate there is no place to ask for
        replace(model, insist=True).scored(None)  # type: ignore[arg-type]


def test_the_keyword_has_one_name_everywhere() -> None:
    from tierkit.cli import models, simulations
    from tierkit.jobs import dossier, scoring, sensitivity, simulation
    from tierkit.scores.train import train

    for function in (
        Model.load, train, scoring.score, dossier.explain, simulation.simulate, sensitivity.sensitivity,
        models.score, models.explain, simulations.simulate,
    ):  # fmt: skip
        assert inspect.signature(function).parameters["insist"].default is False


def test_a_manifest_without_tests_is_not_judged() -> None:
    assert worths({"sha256": "ab"}) == []
    assert pd.isna(Worth("risk", float("nan"), 0.0, 1.0, 10, 0).auc)


def test_a_policy_says_where_its_cut_offs_come_from_and_cites_no_text_that_does_not_hold_them() -> None:
    jiading = Policy.load("jiading-2025")
    [told] = origin(jiading, "en")
    assert told.startswith(
        "jiading-2025 holds no numbers for risk cut-offs, credit cut-offs: tierkit set them"
    )
    assert re.search(
        r"\d+ synthetic cities of [\d,]+ enterprises, seeds \d+ to \d+, as of \d{4}-\d\d-\d\d\.$", told
    )
    [told] = origin(jiading, "zh")
    assert "tierkit 按目标占比设定" in told
    assert "enterprises" not in told
    own = jiading.reform({"scoring.risk_cutoffs": [0.1, 0.3]}, name="own", assumption="a round number")
    assert origin(own, "en") == [
        "The numbers of own for risk cut-offs rest on an assumption: a round number.",
        origin(jiading, "en")[0].replace("jiading-2025", "own").replace("risk cut-offs, ", ""),
    ]
    cited = Parameter([0.1, 0.3], "probability", source="article 3")
    stated = jiading.reform({"scoring.risk_cutoffs": cited}, name="stated")
    assert origin(stated, "en")[0] == "The text of stated holds the numbers for risk cut-offs (article 3)."
    # calibrated on scores of one's own, the file and the day are named
    mine = "9,000 enterprises of Shanghai, scores.parquet, as of 2025-06-30"
    why = f"{AIMED}{mine}"
    changes = {RISK: [0.1, 0.3], CREDIT: [500.0, 560.0]}
    assert mine in origin(jiading.reform(changes, name="mine", assumption=why), "en")[0]


def test_cut_offs_of_another_place_are_told_as_such() -> None:
    place = Place.load("tests/places/lowmere.toml")
    elsewhere = Policy.load("generic").at(place)
    told = origin(elsewhere, "en")
    assert from_elsewhere(elsewhere)
    assert told[-1].startswith("They come from another place than these records, which are of ")
    assert place.label.zh in origin(elsewhere, "zh")[-1]
