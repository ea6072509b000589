"""What all tests share: a fixed search by hypothesis, no window, one thread a worker."""

import os

import hypothesis
import matplotlib as mpl
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers share two cores; more threads would only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOW = {
    "test_artifact", "test_assessment", "test_backtest", "test_batch", "test_benchmarks", "test_browser",
    "test_cli", "test_cli_city", "test_correction", "test_dossier", "test_evidence", "test_history",
    "test_ladders", "test_plain_engine", "test_plot", "test_policy_value", "test_portraits",
    "test_recourse", "test_report", "test_revocation", "test_sense", "test_sensitivity", "test_theory",
}  # fmt: skip
"""Files whose tests take many seconds of processor time together: `make quick` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)


mpl.use("Agg")
hypothesis.settings.register_profile(
    "tierkit",
    deadline=None,  # the first call compiles
    derandomize=True,  # the same examples each time
    print_blob=True,
)
hypothesis.settings.load_profile("tierkit")
