"""A policy estimated from records: what was done up to a date, as rates with intervals.

Only what agencies wrote down before the date is read; the truth of a synthetic dataset never is. Who is
visited more within a sector and size is told by the rule score of the records, so the routine rate is a
Poisson regression: sector × size × exp(gradient × rule score). Everything else is a count over an exposure
(gamma) or a share of chances (beta), both with Jeffreys' prior. What the records cannot tell stays as the
base policy has it.
"""

from tierkit.evaluate.history.estimation import History, estimate

__all__ = ["History", "estimate"]
