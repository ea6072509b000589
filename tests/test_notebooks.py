"""Every notebook runs in a fresh kernel, says the same again, and asserts what its sentences quote."""

import ast
import base64
import inspect
import io
import os
import re
import warnings
from functools import cache, reduce
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 7
MOST_SECONDS = 600  # a limit for a busy machine; alone on two cores a notebook takes less than one minute

REAL = Path(os.environ.get("TIERKIT_REALDATA", ROOT.parent / "shared" / "realdata"))
NEEDS_FILES = {"08_real_records": ("chicago_food", "toronto_rentsafe")}
"""Notebooks on public files that are not part of the project, and the folders they read."""

ALL = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
QUICK_START = ROOT / "notebooks" / "01_quickstart.ipynb"
"""It runs on other seeds and sizes, so it quotes no number, and asserts none."""
TOLD = pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != QUICK_START], ids=lambda path: path.stem
)


@cache
def read(path: Path) -> Any:
    import nbformat  # it takes a second, and every worker imports this file

    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(cell: Any) -> list[tuple[str, str]]:
    """Return a cell's outputs as kind and content; pictures decoded elsewhere."""
    found = []
    for one in cell.get("outputs", []):
        if one.output_type == "stream":
            found.append((one.name, one.text))
        elif one.output_type == "error":
            found.append(("error", one.ename))
        else:
            found += sorted(one.data.items())
    return found


def quoted(text: str) -> list[str]:
    """Return the numbers in bold."""
    return [one for one in re.findall(r"\*\*([^*]+)\*\*", text) if re.search(r"\d", one)]


def picture(content: str) -> np.ndarray:
    return plt.imread(io.BytesIO(base64.b64decode(content)), format="png")


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_the_notebooks_that_the_readmes_name_are_there(name: str) -> None:
    assert name in {path.stem for path in NOTEBOOKS}
    for page in ("README.md", "README.zh-CN.md", "docs/README.md"):
        assert f"notebooks/{name}.ipynb)" in (ROOT / page).read_text(encoding="utf-8")


@ALL
def test_format_is_valid_and_asks_for_the_kernel_that_everybody_has(path: Path) -> None:
    import nbformat

    nbformat.validate(read(path))
    assert read(path).metadata.kernelspec.name == "python3"


@ALL
def test_cells_are_short(path: Path) -> None:
    for cell in code(path):
        assert len([line for line in cell.source.splitlines() if line]) <= MOST_LINES, cell.source


@ALL
def test_outputs_are_kept_and_without_complaint(path: Path) -> None:
    assert [cell.execution_count for cell in code(path)] == list(range(1, len(code(path)) + 1))
    kinds = {kind for cell in code(path) for kind, _ in outputs(cell)}
    assert "image/png" in kinds
    assert kinds <= {"stdout", "text/plain", "text/html", "image/png"}, "no tracebacks, no warnings"
    text = "".join(content for cell in code(path) for kind, content in outputs(cell) if kind != "image/png")
    assert str(ROOT) not in text
    assert not re.search(r"/(home|root|tmp|Users)/", text)


@ALL
def test_every_figure_is_followed_by_a_finding_in_both_languages(path: Path) -> None:
    cells = read(path).cells
    figures = [k for k, cell in enumerate(cells) if "image/png" in dict(outputs(cell))]
    assert figures
    for k in figures:
        after = cells[k + 1].source
        assert after.startswith("**结论**"), cells[k].source
        assert "**Finding**" in after


def imported(source: str) -> set[str]:
    """Return the modules that a source imports, and the names of those that it imports from."""
    tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith("%")))
    found = {name.name for one in ast.walk(tree) if isinstance(one, ast.Import) for name in one.names}
    return found | {str(one.module) for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}


@ALL
def test_it_imports_the_front_door_alone(path: Path) -> None:
    source = "\n".join(cell.source for cell in code(path))
    ours = {name for name in imported(source) if name.split(".")[0] in ("tierkit", "studies")}
    studies = {name for name in ours if name.startswith("studies")}
    assert ours - studies == {"tierkit"}
    assert not studies or path.stem == "08_real_records"
    assert "import tierkit as tk\n" in source


def test_imports_of_deeper_modules_are_seen() -> None:
    assert imported("%matplotlib inline\nfrom tierkit.scores import x\nimport tierkit.plot as p") == {
        "tierkit.scores",
        "tierkit.plot",
    }


@TOLD
def test_every_number_of_a_finding_is_asserted_above_it(path: Path) -> None:
    asserted, found = "", 0
    for cell in read(path).cells:
        if cell.cell_type == "code":
            asserted += "\n".join(line for line in cell.source.splitlines() if line.startswith("assert "))
        else:
            assert [one for one in quoted(cell.source) if f'"{one}"' not in asserted] == []
            found += len(quoted(cell.source))
    assert found > 20


@TOLD
def test_both_languages_quote_the_same_numbers(path: Path) -> None:
    for cell in read(path).cells:
        if cell.source.startswith("**结论**"):
            chinese, _, rest = cell.source.partition("**Finding**")
            english = rest.partition("\n\n")[0]
            assert sorted(quoted(chinese)) == sorted(quoted(english)) != []


@ALL
def test_chinese_is_followed_by_english(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert re.search(r"[\u4e00-\u9fff]", cell.source), cell.source
            assert re.search(r"[A-Za-z]{3,} [a-z]{2,}", cell.source), cell.source


def wrong_calls(source: str) -> list[str]:
    """Return the calls of what the source imports that name something which is not there, or give it wrongly.

    Only the imports run, so that this takes no time; names that the source gives a value are not looked at.
    """
    tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith("%")))
    imports = [one for one in ast.walk(tree) if isinstance(one, ast.Import | ast.ImportFrom)]
    scope: dict[str, Any] = {}
    exec(compile(ast.Module(list(imports), []), "imports", "exec"), scope)  # noqa: S102 - our own notebook
    given = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        first, *parts = ast.unparse(call.func).split(".")
        if first not in scope or first in given or not all(part.isidentifier() for part in parts):
            continue
        try:
            signature = inspect.signature(reduce(getattr, parts, scope[first]))
            stars = any(isinstance(one, ast.Starred) for one in call.args)
            named = [one.arg for one in call.keywords if one.arg]
            signature.bind_partial(*(call.args if not stars else ()), **dict.fromkeys(named))
        except (AttributeError, TypeError) as error:
            found.append(f"{ast.unparse(call)[:80]}: {error}")
        except ValueError:
            pass  # a function of a library in C, which has no signature
    return found


@ALL
def test_whatever_a_notebook_calls_is_there_and_takes_what_it_is_given(path: Path) -> None:
    assert wrong_calls("\n".join(cell.source for cell in code(path))) == []


def test_wrong_calls_are_seen() -> None:
    lines = [
        "from pathlib import Path",
        "import tierkit as tk",
        "tk.Policy.lode('legacy')",
        "tk.Policy.load('legacy', lang='en')",
        "tk.Policy.load('legacy').nothing_that_is_looked_at()",
        "Path.cwd(1)",
        "Path = Path.cwd",
    ]
    lode, load = wrong_calls("\n".join(lines))
    assert lode.startswith("tk.Policy.lode('legacy'): ")
    assert load == "tk.Policy.load('legacy', lang='en'): got an unexpected keyword argument 'lang'"


def run(path: Path, monkeypatch: pytest.MonkeyPatch, given: str = "", claims: str = "") -> Any:
    """Return the notebook after a run in a fresh kernel, with a line of its first cell and a cell at its end.

    Parameters
    ----------
    given : str
        Stands in for the line of the first cell that sets the same names.
    claims : str
        Code that runs in the end.
    """
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's; those of the code appear in the outputs
        import nbformat
        from nbclient import NotebookClient

        again = nbformat.read(path, as_version=4)
        for cell in again.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        if given:
            first = next(cell for cell in again.cells if cell.cell_type == "code")
            names = given.partition(" = ")[0]
            first.source, replaced = re.subn(f"(?m)^{names} = .*$", given, first.source)
            assert replaced == 1
        if claims:
            again.cells.append(nbformat.v4.new_code_cell(claims))
        where = {"metadata": {"path": str(path.parent)}}
        NotebookClient(again, timeout=MOST_SECONDS, kernel_name="python3", resources=where).execute()
    return again


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_FILES)
def test_without_its_files_a_notebook_says_so_and_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERKIT_REALDATA", str(tmp_path))
    again = run(ROOT / "notebooks" / f"{name}.ipynb", monkeypatch)
    seen = [one for cell in again.cells if cell.cell_type == "code" for one in outputs(cell)]
    assert [kind for kind, _ in seen] == ["stdout"]
    assert seen[0][1].count("is not there") == len(NEEDS_FILES[name])


@pytest.mark.long
@ALL
def test_runs_in_a_fresh_kernel_and_says_the_same_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not all((REAL / folder).is_dir() for folder in NEEDS_FILES.get(path.stem, ())):
        pytest.skip("the public files are not here; set TIERKIT_REALDATA")
    monkeypatch.setenv("TIERKIT_REALDATA", str(REAL))
    again = run(path, monkeypatch)
    for old, new in zip(code(path), (c for c in again.cells if c.cell_type == "code"), strict=True):
        before, after = outputs(old), outputs(new)
        assert [kind for kind, _ in before] == [kind for kind, _ in after], old.source
        for (kind, kept), (_, seen) in zip(before, after, strict=True):
            if kind == "image/png":
                assert_alike(picture(kept), picture(seen), old.source)
            else:
                assert seen == kept, old.source


CLAIMS = """
rates = rate["sum"] / rate["size"]
assert rates.idxmax() == "trigger" and rates["random"] < rates["all"] < rates["trigger"]
assert 0.5 < model.manifest["risk"]["metrics"]["test"]["auc"] < 0.9 and 2 * inside > len(bins)
assert set(tiers["tier"]) == {"T1", "T2", "T3", "T4"}
parts = tk.contributions(model, data, DAY, [riskiest])
assert abs(parts.risk_base + parts.risk.to_numpy().sum() - why.risk_margin) < 1e-9
assert abs(sum(effects) - (why.risk_margin - why.risk_base)) < 1e-9
for column in both.values():
    assert column["inspections"] < 0 < column["finding_rate"] and column["findings"] < 0
assert trigger["shanghai-2025"] > trigger["legacy"]
assert harm.loc[260, 0.25] > harm.loc[260, 0.1] > harm.loc[260, 0.0]
assert harm.loc[260, 0.25] - harm.loc[260, 0.0] > harm.loc[52, 0.25] - harm.loc[52, 0.0]
moved = reform.table(measures=["inspections"]).set_index("policy").loc["closer"]
assert moved["difference_low"] > 0
"""
"""What the sentences of the quick start say, which holds for other cities as well."""
FIGURES = """
from tierkit.texts import interval, percent, signed
assert DAY.isoformat() == "2024-12-30"
assert [percent(rates[one], 1) for one in ("all", "trigger", "random")] == ["13.5%", "26.3%", "10.1%"]
assert f"{inside} / {len(bins)}" == "4 / 5"
assert f"{model.manifest['risk']['metrics']['test']['auc']:.2f}" == "0.72"
assert [percent(share[one], 1) for one in ("T1", "T4")] == ["67.0%", "4.4%"]
assert (f"{added:.2f}", percent(why.risk_probability, 1)) == ("1.84", "31.1%")
told = [percent(x, 1, sign=True) for x in changes.loc["shanghai-2025", shown]]
assert told == ["−39.0%", "+32.8%", "−19.0%", "+1.1%", "+0.7%"]
assert [percent(trigger[one]) for one in ("legacy", "shanghai-2025")] == ["21%", "34%"]
assert [percent(x, 1, sign=True) for x in harm.loc[260]] == ["+1.2%", "+4.2%", "+8.1%"]
effect = reform.table().set_index(["policy", "measure"]).loc[("closer", "findings")]
assert signed(effect["difference"], 0) == "+14"
assert interval(*effect[["difference_low", "difference_high"]], 0, sign=True) == "[+11, +18]"
"""
"""What the quick start shows as it is committed."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "claims"),
    [
        pytest.param("ENTERPRISES, SEED = 3_000, 5", CLAIMS, id="another city"),
        pytest.param("", CLAIMS + FIGURES, id="as committed"),
    ],
)
def test_the_quick_start_says_what_holds(given: str, claims: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(QUICK_START, monkeypatch, given, claims)


def test_the_quick_start_asserts_and_quotes_no_number() -> None:
    for cell in read(QUICK_START).cells:
        assert "assert" not in cell.source
        assert cell.cell_type == "code" or quoted(cell.source) == []


def assert_alike(a: np.ndarray, b: np.ndarray, source: str) -> None:
    """Compare pictures by their pixels; a file's other bytes depend on the libraries that wrote it."""
    assert a.shape == b.shape, source
    assert np.abs(a - b).mean() < 1e-3, source


def test_pictures_that_differ_are_told_apart() -> None:
    picture = np.zeros((10, 10, 4))
    other = picture.copy()
    other[2:4] = 1.0
    assert_alike(picture, picture, "")
    with pytest.raises(AssertionError):
        assert_alike(picture, other, "")
