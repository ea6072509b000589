"""The front door: what `import tierkit as tk` offers, what it loads, and that each name is documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import tierkit as tk

NOUNS = [name for name in tk.__all__ if isinstance(getattr(tk, name), type)]
VERBS = [name for name in tk.__all__ if inspect.isfunction(getattr(tk, name))]
ROOMS = [name for name in tk.__all__ if isinstance(getattr(tk, name), ModuleType)]
ERRORS = [name for name in NOUNS if issubclass(getattr(tk, name), Exception)]
HEAVY = ("duckdb", "lightgbm", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "scipy", "sklearn")


def test_the_surface_is_small_sorted_and_nothing_else_is_shown() -> None:
    assert list(tk.__all__) == sorted(tk.__all__)
    assert sorted([*NOUNS, *VERBS, *ROOMS]) == list(tk.__all__)
    assert dir(tk) == list(tk.__all__)
    assert len(NOUNS) - len(ERRORS) == 8
    assert len(VERBS) <= 21
    assert ROOMS == ["evaluate", "plot", "policy", "report", "texts"]


def test_importing_it_loads_no_heavy_library() -> None:
    said = f"import sys, tierkit; dir(tierkit); print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_a_verb_stays_the_verb_after_its_room_is_imported() -> None:
    said = (
        "import tierkit.compare.comparison, tierkit.explain, tierkit.features.building, tierkit as tk\n"
        "print(*(type(one).__name__ for one in (tk.compare, tk.explain, tk.features, tk.plot)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["function", "function", "function", "module"]


@pytest.mark.parametrize("name", [one for one in tk.__all__ if one not in ROOMS])
def test_each_name_is_documented(name: str) -> None:
    told = inspect.getdoc(getattr(tk, name)) or ""
    assert told.splitlines()[0].endswith((".", ":"))
    if name in VERBS:
        for part in ("Parameters\n---", "Returns\n---", "Examples\n---", ">>> "):
            assert part in told, part
        parameters = inspect.signature(getattr(tk, name)).parameters
        assert [one for one in parameters if one not in told] == []


@pytest.mark.parametrize("name", VERBS)
def test_an_example_is_what_a_user_types(name: str) -> None:
    told = inspect.getdoc(getattr(tk, name)) or ""
    example = told.partition("Examples\n---")[2]
    assert ">>> import tierkit as tk\n" in example
    assert f"tk.{name}(" in example
    assert "Raises\n---" in told


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_shows_what_it_offers_and_nothing_else(name: str) -> None:
    room = getattr(tk, name)
    assert dir(room) == sorted(room.__all__)
    assert all(hasattr(room, one) for one in dir(room))


@pytest.mark.parametrize("name", tk.__all__)
def test_the_map_names_everything(name: str) -> None:
    assert tk.__doc__ is not None
    assert f"`{name}`" in tk.__doc__ or f"{name}." in tk.__doc__, name


@pytest.mark.parametrize(
    ("wrong", "right"), [("explian", "explain"), ("Polcy", "Policy"), ("asign", "assign")]
)
def test_a_misspelt_name_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(AttributeError, match=f"did you mean '{right}'"):
        getattr(tk, wrong)


def test_errors_are_value_errors() -> None:
    assert all(issubclass(getattr(tk, name), ValueError) for name in ERRORS)
    assert ERRORS == ["DataError", "InputError", "ModelError", "PolicyError"]
