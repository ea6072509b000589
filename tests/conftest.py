"""What all tests share: a fixed search by hypothesis, no window, one thread a worker."""

import gc
import os

import hypothesis
import matplotlib as mpl
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers share two cores; more threads would only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOW = {
    "test_accounts", "test_architecture", "test_artifact", "test_assessment", "test_backtest", "test_batch",
    "test_benchmarks", "test_browser", "test_calibrated_file", "test_cli", "test_cli_city", "test_compare",
    "test_compiled",
    "test_correction", "test_credit_events", "test_docs", "test_dossier", "test_engine", "test_ensemble",
    "test_evidence", "test_fairness", "test_feedback", "test_files", "test_founded", "test_history",
    "test_instruments", "test_jobs", "test_ladders", "test_parquet", "test_place", "test_plain_engine",
    "test_plot", "test_policy_value", "test_polish", "test_population", "test_portraits", "test_ranking",
    "test_recourse", "test_rentsafe", "test_repair", "test_report", "test_results", "test_reviews",
    "test_revocation", "test_score_file", "test_scorecard", "test_sense", "test_sensitivity",
    "test_stability", "test_synth", "test_theory", "test_training", "test_validation", "test_writers",
}  # fmt: skip
"""Files whose tests take many seconds of processor time together: `make quick` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)


mpl.use("Agg")
gc.set_threshold(100_000, 50, 100)  # as the commands do: libraries and fixtures are many objects that stay
hypothesis.settings.register_profile(
    "tierkit",
    deadline=None,  # the first call compiles
    derandomize=True,  # the same examples each time
    print_blob=True,
)
hypothesis.settings.load_profile("tierkit")
