"""A policy: a frozen, dated, cited set of parameters, read from TOML."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from tierkit.policy.files.list_file import ListFile
from tierkit.policy.files.loading import (
    Content,
    baseline_of,
    bind,
    clash_of_places,
    find,
    find_place,
    finish,
    load,
    own_name,
    presets,
    read,
)
from tierkit.policy.files.points_file import PointsTable
from tierkit.policy.files.problems import PolicyError, PolicyProblem, PolicyWarning
from tierkit.policy.files.reading import (
    STATUSES,
    Meta,
    Reading,
    parse,
    read_body,
    read_file,
    read_head,
    read_mapping,
)
from tierkit.policy.files.writing import hash_of, html_of, toml_of
from tierkit.policy.specification import SPEC, spec_of
from tierkit.records import LEVELS, TIERS, Label, Parameter, Place
from tierkit.records.arguments import InputError, described, one_of, path_of
from tierkit.records.problems import suggestion
from tierkit.results import Result, plain
from tierkit.texts import LANGUAGES, text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Policy", "PolicyLike", "check", "policies_of", "policy_of"]

_TOP_GROUPS = tuple(dict.fromkeys(path.partition(".")[0] for path in SPEC))


@dataclass(frozen=True)
class Policy(Result):
    """A frozen set of parameters, each with its unit and its source or assumption.

    Make one with `Policy.load` or, from another, with `Policy.reform`; both check every value. Policies
    are equal when name, heading and all parameters are; two policies that act alike have the same `hash`.

    Parameters
    ----------
    name : str
        Short name.
    meta : Meta
        Title, document, date, status, baseline.
    parameters : mapping of str to Parameter
        Dotted name → parameter, in the order of `spec_of` its place.

    Examples
    --------
    >>> legacy = Policy.load("legacy")
    >>> denser = legacy.reform({"frequency.tier.T4.key": 4.0}, name="denser")
    >>> denser["frequency.tier.T4.key"], legacy["frequency.tier.T4.key"]
    (4.0, 1.0)
    >>> from tierkit.policy import diff
    >>> list(diff(legacy, denser)["parameter"])
    ['frequency.tier.T4.key']
    """

    name: str
    meta: Meta
    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        """Copy the parameters in the order of the specification; the caller cannot change them later."""
        ordered = {path: self.parameters[path] for path in spec_of(self.meta.place)}
        object.__setattr__(self, "parameters", MappingProxyType(ordered))

    def __reduce__(self) -> tuple[type[Policy], tuple[str, Meta, dict[str, Parameter]]]:
        """Support copying and pickling, which a mapping proxy does not."""
        return Policy, (self.name, self.meta, dict(self.parameters))

    def __hash__(self) -> int:
        """Return a hash that agrees with equality."""
        return hash((self.name, self.hash))

    def __repr__(self) -> str:
        """Return the name and the start of the hash."""
        return f"Policy({self.name!r}, hash={self.hash[:12]!r})"

    @classmethod
    def load(cls, name_or_path: str | Path) -> Policy:
        """Read a preset by its name, or a policy file by its path.

        A file that names a ``baseline`` in ``[meta]`` holds only what differs from it: a preset's name, or a
        path relative to the file.

        Parameters
        ----------
        name_or_path : str or Path
            ``"legacy"``, say, or ``"reform.toml"``.

        Raises
        ------
        InputError
            If it is neither a text nor a path.
        PolicyError
            With every problem of the file and of its baselines.

        Warns
        -----
        PolicyWarning
            If a value is allowed but should have been meant, such as a random floor of 0.

        Examples
        --------
        >>> Policy.load("legacy")["depth.detection"]
        0.7
        """
        path_of(name_or_path, "name_or_path", "a path or a name, one of Policy.presets()")
        return cls._usable(*load(find(name_or_path), ()))

    @classmethod
    def loads(cls, text: str, place: str = "policy", of_place: Place | None = None) -> Policy:
        """Read a policy from TOML text; a relative path of a baseline starts at the working folder.

        Parameters
        ----------
        text : str
        place : str
            What messages call it.
        of_place : Place, optional
            A place that the text may name although it does not come with the package.

        Raises
        ------
        PolicyError
            With every problem of the text, the name of a preset that is another among them.

        Examples
        --------
        >>> legacy = Policy.load("legacy")
        >>> Policy.loads(legacy.to_toml()) == legacy
        True
        """
        content, reading = read(text, place, Path(), (), of_place)
        return cls._usable(own_name(content, reading), reading)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per parameter: its ``value``, ``unit``, date, source and assumption."""
        import pandas as pd

        columns = ["parameter", "value", "unit", "from", "source", "assumption"]
        rows = [
            (path, one.value, one.unit, one.from_, one.source, one.assumption)
            for path, one in self.parameters.items()
        ]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """Return heading and parameters as data for JSON."""
        about = {"name": self.name, "hash": self.hash, "meta": self.meta}
        told: dict[str, Any] = plain(about | {"parameters": self.to_frame()})
        return told

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what the policy is, and how much of it stands in a text."""
        cited = sum(bool(one.source) for one in self.parameters.values())
        one_of(lang, LANGUAGES, "lang")  # a label has no opinion on it
        title, status = self.meta.title.text(lang), STATUSES[self.meta.status].text(lang)
        about = {"document": self.meta.document or self.name, "date": self.meta.date, "status": status}
        said = [text("policy.head", lang, title=title, **about)]
        return [*said, text("policy.grounds", lang, n=len(self.parameters), cited=cited)]

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Return the names of the policies that come with tierkit, in alphabetical order.

        Examples
        --------
        >>> "shanghai-2025" in Policy.presets()
        True
        """
        return presets()

    def __getitem__(self, path: str) -> Any:
        """Return the plain value of a parameter, or a dictionary of a whole table of them.

        Raises
        ------
        KeyError
            If there is no such parameter, with the nearest name.

        Examples
        --------
        >>> legacy = Policy.load("legacy")
        >>> legacy["frequency.random_floor"]
        0.01
        >>> legacy["depth.tier"]
        {'T1': 1.0, 'T2': 1.0, 'T3': 1.0, 'T4': 1.0}
        """
        if path in self.parameters:
            return self.parameters[path].value
        return _plain(self._table(path))

    @property
    def values(self) -> Mapping[str, Any]:
        """All parameters as nested read-only mappings."""
        return MappingProxyType({group: self._table(group) for group in _TOP_GROUPS})

    def _table(self, table: str) -> Mapping[str, Any]:
        inside: dict[str, Any] = {}
        for path, parameter in self.parameters.items():
            if not path.startswith(f"{table}."):
                continue
            head, dot, _ = path[len(table) + 1 :].partition(".")
            if head not in inside:
                inside[head] = self._table(f"{table}.{head}") if dot else parameter
        if not inside:
            raise KeyError(f"no parameter '{table}'{suggestion(table, list(self.parameters))}")
        return MappingProxyType(inside)

    def parameter(self, path: str) -> Parameter:
        """Return a parameter with its unit, source and date.

        Raises
        ------
        KeyError
            If there is no such parameter.

        Examples
        --------
        >>> Policy.load("legacy").parameter("depth.detection").unit
        'probability'
        """
        if path not in self.parameters:
            self._table(path)  # raises for what does not exist at all
            raise KeyError(f"'{path}' is a table of parameters, not one")
        return self.parameters[path]

    @property
    def place(self) -> Place | None:
        """The place whose sectors, agencies and items it names; None for a policy of any place."""
        return self.meta.place

    def at(self, place: Place, day: date | None = None) -> Policy:
        """Return the policy as it is used in a place, on a day.

        A policy of that place is returned as it is, one of any place with its parameters by sector, alike for
        all of them. A value that comes into force later than the policy itself is taken from its date on;
        `on` says how.

        Raises
        ------
        PolicyError
            If it is of another place.

        Examples
        --------
        >>> from tierkit.records import SHANGHAI
        >>> Policy.load("generic").at(SHANGHAI)["frequency.sector.food"]
        1.0
        """
        wrong = clash_of_places(self._content, place)
        if wrong:
            raise PolicyError([PolicyProblem(self.name, None, "meta.place", *wrong)])
        here = self if self.place is not None else Policy(*bind(self._content, place))
        return here if day is None else here.on(day)

    def on(self, day: date) -> Policy:
        """Return the policy as it is in force on a day.

        A policy may be asked about on a day before its own date: what would it do? But a value whose ``from``
        is later than the date of its policy comes into force then, and until then the baseline's holds.

        Warns
        -----
        PolicyWarning
            If some values are not yet in force, with the first of them.

        Examples
        --------
        >>> from datetime import date
        >>> from tierkit.records import Parameter
        >>> later = Parameter(0.8, "probability", assumption="a trial", from_=date(2026, 1, 1))
        >>> policy = Policy.load("shanghai-2025").reform({"depth.detection": later})
        >>> policy.on(date(2026, 1, 1))["depth.detection"]
        0.8
        """
        listed = self.parameters["lists.unmonitored.file"]
        if isinstance(listed.value, ListFile) and listed.value.on(day).entries != listed.value.entries:
            there = replace(listed, value=listed.value.on(day))
            return replace(self, parameters={**self.parameters, "lists.unmonitored.file": there}).on(day)
        waiting = {
            path: one
            for path, one in self.parameters.items()
            if one.before is not None and one.from_ is not None and one.from_ > day
        }
        if not waiting:
            return self
        path, one = next(iter(waiting.items()))
        more = f" So do {len(waiting) - 1} more." if len(waiting) > 1 else ""
        warnings.warn(
            f"'{path}' of '{self.name}' is {one.value} from {one.from_} on, and {one.before} on {day}, which "
            f"is used.{more} Leave out 'from', or give that day as 'meta.date', to ask about it earlier.",
            PolicyWarning,
            stacklevel=2,
        )
        now = {path: replace(one, value=one.before, before=None, from_=None) for path, one in waiting.items()}
        return replace(self, parameters={**self.parameters, **now})

    @property
    def tier_names(self) -> tuple[Label, ...]:
        """What each tier is called, from T1 on: in the words of the document, neutrally where it has none.

        Examples
        --------
        >>> [one.zh for one in Policy.load("jiading-2025").tier_names]
        ['无事不扰', '第二级', '第三级', '重点关注']
        """
        own = self.meta.tiers
        return tuple(own[one].value if one in own else LEVELS["tier"][one] for one in TIERS)

    @property
    def credit_table(self) -> PointsTable | str | None:
        """The expert's table of credit points that it carries; name and digest alone if not at hand."""
        return self.meta.credit_table

    @property
    def oracle(self) -> bool:
        """Whether scores are the true probabilities, which only a synthetic world knows."""
        return self.meta.oracle

    @property
    def hash(self) -> str:
        """The sha256 of the values (and of whether it is the oracle) as canonical JSON."""
        return hash_of(self.meta, self.parameters)

    @property
    def _content(self) -> Content:
        return Content(self.name, self.meta, self.parameters)

    @classmethod
    def _usable(cls, content: Content | None, reading: Reading) -> Policy:
        """Return the policy and warn of each doubtful value; raise `PolicyError` if there is no policy."""
        errors = [one for one in reading.problems if not one.warning]
        if errors or content is None:
            raise PolicyError(errors)
        for one in reading.problems:
            warnings.warn(f"{one}. {one.remedy[:1].upper()}{one.remedy[1:]}.", PolicyWarning, stacklevel=3)
        return cls(*content)

    def reform(
        self,
        changes: Mapping[str, Any] | str | Path,
        *,
        name: str | None = None,
        assumption: str | None = None,
    ) -> Policy:
        """Return a new policy that differs from this one in the given values; this one is unchanged.

        Parameters
        ----------
        changes : mapping, str or Path
            Dotted or nested names to plain values, inline tables or `Parameter`; or the path of a policy
            file, whose baseline, if it names one, must act like this policy.
        name : str, optional
            Name of the new policy; ``"reform"``, or the file's own, if not given.
        assumption : str, optional
            Why plain values are what they are; says that the reform set them if not given.

        Raises
        ------
        PolicyError
            With every problem of the changes, the name of a preset that is another among them.

        Warns
        -----
        PolicyWarning
            If a value is allowed but should have been meant.

        Examples
        --------
        >>> legacy = Policy.load("legacy")
        >>> legacy.reform({"frequency": {"random_floor": 0.02}})["frequency.random_floor"]
        0.02
        """
        if isinstance(changes, str | Path):
            path = Path(changes)
            text = read_file(path)
            tree = parse(text, path.name)
            reading = read_head(tree, text, path.name)
            if "place" in reading.meta:
                find_place(reading, path.parent, (), self.place)
            else:
                reading.of_place = self.place
            read_body(tree, reading, path.parent)
            self._check_is_baseline_of(reading, path.parent)
            new = name or reading.meta.get("name", path.stem)
        else:
            new = name or "reform"
            reading = read_mapping(
                _of_python(changes), f"reform '{new}'", assumption or f"set in reform '{new}'", self.place
            )
            title = self.meta.title
            reading.meta |= {"title_zh": f"{title.zh}·{new}", "title_en": f"{title.en}, {new}"}
        wrong = clash_of_places(self._content, reading.of_place)
        if wrong:
            reading.note("meta.place", *wrong)
        content = finish(new, bind(self._content, reading.of_place), reading)
        return self._usable(own_name(content, reading), reading)

    def _check_is_baseline_of(self, reading: Reading, folder: Path) -> None:
        """Record a problem if a reform file names a baseline whose values differ from this policy's."""
        wanted = reading.meta.get("baseline")
        if wanted is None or wanted == self.name:
            return
        base = baseline_of(reading, folder, ())
        if base is not None and hash_of(base.meta, base.parameters) != self.hash:
            message = f"'meta.baseline' = '{wanted}' is not '{self.name}', to which the file was applied"
            reading.note("meta.baseline", message, "load the file with Policy.load, or take out its baseline")

    def to_toml(self, *, against: Policy | None = None) -> str:
        """Return the policy as TOML: all parameters, or only those that differ from another policy.

        Parameters
        ----------
        against : Policy, optional
            The baseline to name; the file then holds the difference from it.

        Examples
        --------
        >>> legacy = Policy.load("legacy")
        >>> print(legacy.reform({"depth.detection": 0.8}).to_toml(against=legacy).splitlines()[-1])
        detection = { value = 0.8, unit = "probability", assumption = "set in reform 'reform'" }
        """
        items = self.parameters.items()
        if against is None:
            return toml_of(self.name, self.meta, self.meta.baseline, items)
        kept = [(path, one) for path, one in items if against.parameters[path] != one]
        return toml_of(self.name, self.meta, against.name, kept, against.meta.overlays)

    def _repr_html_(self) -> str:
        return html_of(self.name, self.meta, self.parameters)


def _of_python(value: Any) -> Any:
    """Return numbers and arrays of NumPy as those of Python, at any depth."""
    if isinstance(value, Mapping):
        return {key: _of_python(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_of_python(one) for one in value]
    if isinstance(value, Parameter):
        return replace(value, value=_of_python(value.value), before=_of_python(value.before))
    return _of_python(value.tolist()) if hasattr(value, "tolist") else value


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.value if isinstance(one, Parameter) else _plain(one) for key, one in table.items()}


PolicyLike: TypeAlias = Policy | str | os.PathLike[str]
"""A policy, the name of one that comes with tierkit, or the path of a file."""


def policy_of(policy: Any, name: str = "policy") -> Policy:
    """Return a policy, which may be given by its name or by the path of its file.

    Parameters
    ----------
    policy : Policy, str or path
    name : str
        Name of the argument, for the message.

    Raises
    ------
    InputError
        If it is anything else, a list of policies for instance.
    PolicyError
        If there is no such policy, or its file is wrong.

    Examples
    --------
    >>> policy_of("legacy") == Policy.load("legacy")
    True
    >>> policy_of(["legacy"])
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'policy' must be one Policy, ... Got ['legacy'] (list).
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, str | os.PathLike) and str(policy):
        return Policy.load(Path(policy) if isinstance(policy, os.PathLike) else policy)
    raise InputError(
        f"The '{name}' must be one Policy, the name of one (Policy.presets() lists them) or the path of its "
        f"file. Got {described(policy)}."
    )


def policies_of(policies: Any, name: str = "policies") -> list[Policy]:
    """Return policies as a list; one alone may stand without a list around it.

    Raises
    ------
    InputError
        If there is none, or one is nothing that `policy_of` takes.
    """
    if isinstance(policies, Policy | str | os.PathLike):
        return [policy_of(policies, name)]
    if not isinstance(policies, list | tuple) or not policies:
        raise InputError(
            f"The '{name}' must be a Policy or a list of them, or their names or paths. "
            f"Got {described(policies)}."
        )
    return [policy_of(one, name) for one in policies]


def check(path: str | Path) -> list[PolicyProblem]:
    """Return everything that is wrong with a policy file, warnings included; nothing is raised.

    Parameters
    ----------
    path : str or Path
        A preset's name or a file.

    Examples
    --------
    >>> check("legacy")
    []
    """
    try:
        _, reading = load(find(path), ())
    except PolicyError as error:
        return list(error.problems)
    return list(reading.problems)
