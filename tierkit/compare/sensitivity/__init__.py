"""Which uncertain parameters decide a comparison: Morris screening, and one-at-a-time changes.

A comparison rests on assumptions about the plan, about practice, about the city and about κ. `screen` moves
all of them over their ranges at once and ranks what each does to the reform's relative difference; `tornado`
moves one at a time from where it is. A replicate here is a whole city of its own, drawn with its history
from a seed of its own, so that what is said holds for such cities and not for one of them.
"""

from tierkit.compare.sensitivity.questions import MEASURED
from tierkit.compare.sensitivity.ranges import uncertain
from tierkit.compare.sensitivity.screening import Screening, screen
from tierkit.compare.sensitivity.tornado import tornado

__all__ = ["MEASURED", "Screening", "screen", "tornado", "uncertain"]
