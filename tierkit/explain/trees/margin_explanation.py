"""A `shap.Explanation` that keeps what its values are, in whatever way shap copies, slices and reduces it."""

from __future__ import annotations

import warnings
from typing import Any

# Its import uses what matplotlib means to deprecate, and in a notebook it asks for a progress bar's widgets,
# which it then does without: nothing that a user of ours could mend.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    warnings.filterwarnings("ignore", "IProgress not found")
    import shap

__all__ = ["MarginExplanation"]


class MarginExplanation(shap.Explanation):
    """Values of one output that has a name, by row and feature.

    shap takes the shape of the output from its name where it copies, and fails for one name and one row, as
    in ``beeswarm(order=explanation.abs.max(0))``. So a copy is made without the name, and then given it.

    Attributes
    ----------
    unit, game : str
        Of the values; what stands in for features that are not known.
    """

    unit = game = ""

    def __copy__(self) -> MarginExplanation:
        """Return a copy with name, unit and game."""
        name: Any = self.output_names  # type: ignore[has-type]
        self.output_names = None
        try:
            made: Any = super().__copy__()
        finally:
            self.output_names = name
        made.__class__ = type(self)
        made.output_names, made.unit, made.game = name, self.unit, self.game
        copied: MarginExplanation = made
        return copied
