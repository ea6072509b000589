"""One small model of inspections in four implementations, timed side by side.

An enterprise in order falls into violation with its own weekly hazard. It is inspected with the weekly rate
of its tier; an inspection detects a violation with probability 0.7, which ends it. All start in order.

`tierkit_way` and `numpy_way` need what tierkit needs; `mesa_way` and `starsim_way` need the extra ``bench``.
Each has ``prepare(city, weeks, seed, threads)``, which returns a task to be run once; only the task is timed.
It returns inspections and findings by week, shape (2, weeks).
"""
