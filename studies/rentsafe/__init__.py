"""A real ladder of intervals, Toronto's RentSafe: run again year by year, and its scores judged."""

__all__: list[str] = []
