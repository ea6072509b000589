"""The project's own files agree with one another, and its rules hold for all of its code."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tierkit

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DEPENDENCIES = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["dev"]]
NOTEBOOKS = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["notebooks"]]
BENCHMARKS = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["bench"]]
CONDA_NAMES = {"matplotlib": "matplotlib-base", "duckdb": "python-duckdb"}
MODULES = sorted((ROOT / "tierkit").rglob("*.py"))
TARGETS = {"demo", "quick", "test", "test-long", "lint", "bench", "data", "notebooks", "clean", "help"}


def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [str(one) for one in arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )


def tracked() -> list[Path]:
    """Return every file that is in the repository or would be."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


# Dependencies


def test_every_dependency_has_bounds_and_a_reason() -> None:
    for one in [*DEPENDENCIES, *DEVELOPMENT, *NOTEBOOKS, *BENCHMARKS]:
        assert {specifier.operator for specifier in one.specifier} == {">=", "<"}, one
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    for one in [*DEPENDENCIES, *DEVELOPMENT, *NOTEBOOKS, *BENCHMARKS]:
        line = next(line for line in lines if line.startswith(f'  "{one.name}>='))
        assert re.search(r"#\s+\w+.{5,}$", line), f"no reason beside {one.name}"


def environment() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    found = {}
    for one in listed:
        if isinstance(one, str):
            name, bounds = re.fullmatch(r"([\w.-]+?)((?:[<>=!].*)?)", one).groups()  # type: ignore[union-attr]
            found[name] = ",".join(sorted(bounds.split(",")))
    return found


def test_environment_for_conda_equals_the_dependencies() -> None:
    wanted = {
        CONDA_NAMES.get(one.name, one.name): ",".join(sorted(str(one.specifier).split(",")))
        for one in [*DEPENDENCIES, *NOTEBOOKS]
    }
    wanted["python"] = ",".join(sorted(PROJECT["project"]["requires-python"].split(",")))
    assert environment() == {**wanted, "pip": ""}


def pins(lock: str = "requirements.lock") -> dict[str, str]:
    text = (ROOT / lock).read_text("utf-8")
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize(("lock", "least"), [("requirements.lock", 100), ("requirements-bench.lock", 2)])
def test_lock_pins_and_hashes_everything_and_names_no_index(lock: str, least: int) -> None:
    text = (ROOT / lock).read_text("utf-8")
    body = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(
        re.match(r"[\w.-]+==[^\s;]+( ; .+)? \\$|    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in body
    )
    entries = re.split(r"^(?=\w)", "\n".join(body), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > least
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?:|--(extra-)?index|--find-links|--trusted", text)


def test_lock_covers_the_dependencies_within_their_bounds() -> None:
    locked = pins()
    for one in [
        *DEPENDENCIES,
        *DEVELOPMENT,
        *NOTEBOOKS,
        *map(Requirement, PROJECT["build-system"]["requires"]),
    ]:
        assert one.specifier.contains(locked[canonicalize_name(one.name)]), one


def test_the_lock_of_the_benchmarks_goes_on_top_and_holds_what_nothing_else_needs() -> None:
    base, extra = pins(), pins("requirements-bench.lock")
    assert not base.keys() & extra.keys()
    for one in BENCHMARKS:
        assert one.specifier.contains(extra[canonicalize_name(one.name)]), one
    needed = {canonicalize_name(one.name) for one in [*DEPENDENCIES, *DEVELOPMENT, *NOTEBOOKS]}
    assert not needed & extra.keys()


def test_installed_versions_are_those_of_the_lock() -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("runs outside .venv")
    import importlib.metadata as metadata

    locked = pins()
    for one in [*DEPENDENCIES, *DEVELOPMENT, *NOTEBOOKS]:
        assert metadata.version(one.name) == locked[canonicalize_name(one.name)], one.name


# Set-up


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The set-up script, at work in a copy of the project in a folder with an awkward name."""
    root = tmp_path / "有 空格 的 folder"
    root.mkdir()
    for name in ("pyproject.toml", "requirements.lock", "requirements-bench.lock"):
        shutil.copy(ROOT / name, root / name)
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "scripts" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    places = {
        "ROOT": root,
        "VENV": root / ".venv",
        "PYTHON": root / ".venv/bin/python",
        "LOCK": root / "requirements.lock",
        "BENCH_LOCK": root / "requirements-bench.lock",
    }
    places |= {"STAMP": root / ".venv/set-up.json", "LOG": root / "build/set-up.log"}
    for name, place in places.items():
        monkeypatch.setattr(module, name, place)
    return module


def test_set_up_does_nothing_the_second_time(set_up: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def note(command: list[str | Path], failure: str, steps_in_all: int = 0, **_: object) -> bool:
        steps.append(failure)
        set_up.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        set_up.PYTHON.touch()
        return True

    monkeypatch.setattr(set_up, "run", note)
    assert set_up.main() == 0
    assert len(steps) == 4
    assert set_up.main() == 0
    assert len(steps) == 4
    set_up.LOCK.write_text("# another lock\n", "utf-8")
    assert set_up.main() == 0
    installed = ["installing tierkit failed", "compiling the simulator failed"]
    assert steps[4:] == ["installing the packages failed", *installed]
    stamp = json.loads(set_up.STAMP.read_text("utf-8"))
    set_up.STAMP.write_text(json.dumps({**stamp, "folder": "/elsewhere"}), "utf-8")
    assert set_up.main() == 0
    assert steps[7:] == installed, "a moved folder needs no network"


def test_set_up_adds_what_the_benchmarks_need_only_for_them(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: list[str] = []

    def note(command: list[str | Path], failure: str, steps: int = 0) -> bool:
        locks.extend(Path(part).name for part in command if str(part).endswith(".lock"))
        set_up.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        set_up.PYTHON.touch()
        return True

    monkeypatch.setattr(set_up, "run", note)
    assert set_up.main([]) == 0
    assert locks == ["requirements.lock"]
    for _ in range(2):
        assert set_up.main(["bench"]) == 0
        assert set_up.main([]) == 0
    assert locks == ["requirements.lock", "requirements-bench.lock"]
    set_up.BENCH_LOCK.write_text("# another lock\n", "utf-8")
    assert set_up.main(["bench"]) == 0
    assert locks[2:] == ["requirements-bench.lock"]


@pytest.mark.slow
def test_set_up_tells_why_it_stopped(
    set_up: ModuleType, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    set_up.LOCK.write_text(f"no-such-package==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "utf-8")
    assert set_up.main() == 1
    said = capfd.readouterr()
    assert "installing the packages failed" in said.err
    assert "no-such-package" in said.err
    assert not set_up.STAMP.exists()


def test_wheel_holds_the_data_of_the_package(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = [one for one in tracked() if one.is_relative_to(ROOT / "tierkit")]
    assert {str(one.relative_to(ROOT)) for one in files} <= inside
    assert {"tierkit/py.typed", "tierkit/policy/presets/legacy.toml"} <= inside
    assert not [name for name in inside if name.startswith(("tests", "scripts"))]


# Rules for the code


def test_ruff_finds_nothing() -> None:
    found = run(sys.executable, "-m", "ruff", "check", "--output-format", "concise", ".")
    assert found.returncode == 0, found.stdout + found.stderr
    found = run(sys.executable, "-m", "ruff", "format", "--check", ".")
    assert found.returncode == 0, found.stdout + found.stderr


def test_types_hold_strictly() -> None:
    kept = (ROOT / ".mypy_cache").exists()  # in a fresh clone it would be written to be read by nobody
    found = run(sys.executable, "-m", "mypy", *([] if kept else ["--cache-dir=/dev/null"]))
    assert found.returncode == 0, found.stdout + found.stderr


def test_imports_point_one_way() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    found = run(sys.executable, "-c", lint, "--no-cache")
    assert found.returncode == 0, found.stdout + found.stderr


def public_names(module: Path) -> list[str] | None:
    for node in ast.parse(module.read_text("utf-8")).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            assert node.value is not None  # type: ignore[union-attr]
            names: list[str] = ast.literal_eval(node.value)  # type: ignore[union-attr]
            return names
    return None


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_surface_is_one_sorted_list(module: Path) -> None:
    names = public_names(module)
    assert names is not None, "no __all__"
    kinds = {one: 0 if one.isupper() else 1 if one[0].isupper() else 2 for one in names}  # as RUF022 sorts
    assert names == sorted(kinds, key=lambda one: (kinds[one], one))
    if module.name == "__main__.py":
        return
    dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    loaded = importlib.import_module(dotted)
    assert [one for one in names if not hasattr(loaded, one)] == []


def collections_declared(module: Path) -> dict[str, str]:
    """Return the collections of plain values and types of arrays that a module declares, by their text."""
    found = {}
    for node in ast.parse(module.read_text("utf-8")).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if value is None or not isinstance(target, ast.Name) or target.id == "__all__":
            continue
        plain = isinstance(value, ast.Tuple | ast.List | ast.Set | ast.Dict) and all(
            isinstance(part, ast.Constant | ast.UnaryOp | ast.USub | ast.Load)
            for child in ast.iter_child_nodes(value)
            for part in ast.walk(child)
        )
        text = ast.unparse(value)
        if (plain and len(ast.literal_eval(value)) > 1) or "NDArray[" in text or "np.dtype[" in text:
            found[text] = target.id
    return found


def test_no_list_or_type_of_arrays_is_declared_twice() -> None:
    seen: dict[str, str] = {}
    twice = []
    for module in MODULES:
        for text, name in collections_declared(module).items():
            twice += [f"{seen[text]} and {module.stem}.{name}: {text}"] if text in seen else []
            seen[text] = f"{module.stem}.{name}"
    assert len(seen) > 50
    assert not twice, "declare it once, in the lowest room that needs it"


def test_the_exceptions_to_lint_rules_have_reasons() -> None:
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    start = lines.index("ignore = [")
    for line in lines[start + 1 : lines.index("]", start)]:
        assert re.search(r'"[A-Z]+\d+",\s+# \S+', line), line
    for path in tracked():
        if path.suffix == ".py" and path != Path(__file__):
            for at, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                assert not re.search(r"# noqa(?!: [A-Z]+\d)", line), f"{path}:{at} silences every rule"
                assert not re.search(r"# type: ignore(?!\[)", line), f"{path}:{at} silences every rule"


# Files that name things


def test_no_file_names_a_package_registry() -> None:
    hosts = ["pypi.{}", "pythonhosted.{}", "anaconda.{}", "npmjs.{}"]
    pattern = re.compile("|".join(host.format("(org|com)") for host in hosts).replace(".(", r"\.(").encode())
    named = [str(path.relative_to(ROOT)) for path in tracked() if pattern.search(path.read_bytes())]
    assert named == []


def test_makefile_has_every_target_with_its_help() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    described = dict(re.findall(r"^([a-z-]+):.*## (.+)$", text, re.MULTILINE))
    assert described.keys() >= TARGETS
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert set(phony.split()) == described.keys()
    shown = run("make").stdout
    assert all(f"make {name}" in shown for name in described)


def test_ci_runs_the_tests_and_nothing_else() -> None:
    # without arguments, `make test`; a release asks for `.ci/run test test-long`
    path = ROOT / ".ci" / "run"
    commands = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert commands[-1] == 'exec make "${@:-test}"'
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_names_only_commands_that_exist(name: str) -> None:
    from tierkit.cli.app import app

    text = (ROOT / name).read_text("utf-8")
    described = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    code = re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL)
    assert {"demo", "test"} <= {target for one in code for target in re.findall(r"\bmake ([a-z-]+)", one)}
    for one in code:
        assert set(re.findall(r"\bmake ([a-z-]+)", one)) <= described
    commands = {command.name for command in app.registered_commands} | {
        group.name for group in app.registered_groups
    }
    typed = r"(?<!import )(?:(?<=[\s`/])|^)tierkit ([a-z]+)"
    used = {command for one in code for command in re.findall(typed, one)}
    assert used <= commands


def test_hooks_before_a_commit_are_local() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert all(hook["entry"].startswith(".venv/bin/python ") for hook in hooks), (
        "they run what make setup installed"
    )
    assert all((ROOT / one).exists() for hook in hooks for one in hook["entry"].split() if "/" in one[1:])
    checked = run(sys.executable, "-m", "pre_commit", "validate-config")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_version_is_said_alike_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert tierkit.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
