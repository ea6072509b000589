"""What all tests share: a fixed search by hypothesis, no window, one thread a worker."""

import os

import hypothesis
import matplotlib as mpl

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers share two cores; more threads would only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

mpl.use("Agg")
hypothesis.settings.register_profile(
    "tierkit",
    deadline=None,  # the first call compiles
    derandomize=True,  # the same examples each time
    print_blob=True,
)
hypothesis.settings.load_profile("tierkit")
