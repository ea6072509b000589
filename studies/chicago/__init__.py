"""Chicago's food inspections: the published evaluation of 2015, and a model held against it.

The city scored sixty days of canvass inspections, 2 September to 31 October 2014, by a logistic regression:
in the order of its scores critical violations would have been found 7.4 days earlier on average. Its inputs
hold the group of inspectors that was sent. `published` fits that model again, and `inspectors_alone` scores
by nothing but the group.

tierkit's model is chosen on records before that window alone and frozen: `choose` cuts away what lies on or
after the first day of the window before it looks at anything, writes the model and the choice into a folder,
and returns the model's SHA-256. `open_window` scores the window only for a hash that is given to it and that
the folder holds. Features are what is known before an order for the window is drawn up: no weather, no
complaints of the days themselves, no inspection of the window.

The public file is from the city's repository, github.com/Chicago/food-inspections-evaluation (MIT licence).
"""

from studies.chicago.frozen import (
    BUDGET,
    CHOSEN,
    DIGEST,
    GRID,
    ORIGINS,
    Frozen,
    choose,
    fit,
    freeze,
    open_window,
)
from studies.chicago.history import features
from studies.chicago.records import CLOSES, OPENS, inspectors_alone, published, read, window

__all__ = [
    "BUDGET",
    "CHOSEN",
    "CLOSES",
    "DIGEST",
    "GRID",
    "OPENS",
    "ORIGINS",
    "Frozen",
    "choose",
    "features",
    "fit",
    "freeze",
    "inspectors_alone",
    "open_window",
    "published",
    "read",
    "window",
]
