"""Change values in the text of a policy file and keep comments and all other lines."""

from collections.abc import Mapping

from tierkit.bounds import UnreadableError, parse_toml
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.policy.files.writing import leaf_of
from tierkit.records import Parameter
from tierkit.records.lines import line_numbers

__all__ = ["amend"]


def amend(text: str, parameters: Mapping[str, Parameter], place: str = "policy") -> str:
    r"""Return the text of a policy file with some parameters replaced or added.

    Parameters
    ----------
    text : str
        The file; each parameter in it on one line.
    parameters : mapping of str to Parameter
        Dotted name → what to write there, `Policy.parameter` of a reform for instance.
    place : str
        What to call the file in an error.

    Raises
    ------
    PolicyError
        If a parameter spans several lines, which this function does not replace.

    Examples
    --------
    >>> print(amend("[depth] # how thorough\ndetection = { value = 0.7 }",
    ...             {"depth.detection": Parameter(0.8, "probability", assumption="a trial")}))
    [depth] # how thorough
    detection = { value = 0.8, unit = "probability", assumption = "a trial" }
    """
    untouched = _leaves(text, parameters)
    for path, parameter in parameters.items():
        lines, at = text.splitlines(), line_numbers(text)
        table, _, key = path.rpartition(".")
        new = f"{key} = {leaf_of(parameter)}"
        if path in at:
            lines[at[path] - 1] = new
        elif table in at:
            lines.insert(at[table], new)
        else:
            lines += ["", f"[{table}]", new]
        text = "\n".join(lines) + "\n" * text.endswith("\n")
    try:
        if _leaves(text, parameters) == untouched:
            return text
    except UnreadableError:  # the rest of a parameter of several lines was left behind
        pass
    message = "a parameter stands on several lines, or on one with others, and cannot be replaced"
    raise PolicyError([PolicyProblem(place, None, "", message, "put each parameter on one line of its own")])


def _leaves(text: str, without: Mapping[str, Parameter]) -> dict[str, object]:
    """Return the content of a file without some parameters."""
    found: dict[str, object] = {}
    open_tables: list[tuple[str, object]] = [("", parse_toml(text))]
    while open_tables:
        path, node = open_tables.pop()
        if path in without:
            continue
        if isinstance(node, dict) and "value" not in node:
            open_tables += [(f"{path}.{key}".lstrip("."), child) for key, child in node.items()]
        else:
            found[path] = node
    return found
