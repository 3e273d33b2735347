"""The rules of CONTRIBUTING.md that a machine can hold, over every file that git tracks or would."""

import ast
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ledger", "ops", "policy", "runtime", "webhooks", "workers")
MODULE_LINES_MAX = 320
TEST_MODULE_LINES_MAX = 620
FUNCTION_LINES_MAX = 60
DRAWERS = {"base", "common", "core", "helpers", "misc", "util", "utils"}
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "Procfile",
    "README.md",
    "SECURITY.md",
    "docs",
    "pyproject.toml",
    "requirements.lock",
    "tests",
    *PACKAGES,
}


def _tracked(suffix: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", f"*{suffix}"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted({ROOT / name for name in listed.stdout.split("\n") if name})


PYTHON = [path for path in _tracked(".py") if path.exists()]
SOURCES = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PACKAGES]
HAND_WRITTEN = [path for path in SOURCES if "versions" not in path.parts]
TESTS = [path for path in PYTHON if path.name.startswith("test_")]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _lines_with(pattern: str, paths: list[Path]) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if wanted.search(line)
    ]


def _outside(allowed: set[str]) -> list[Path]:
    return [path for path in HAND_WRITTEN if _name(path) not in allowed]


def test_top_level_holds_only_what_the_architecture_names():
    """Nothing stands at the top level but the packages and the files that every project has."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {name.split("/")[0] for name in listed.stdout.split("\n") if name}

    assert set() == found - TOP_LEVEL


def test_modules_are_small():
    """A module fits on a few screens."""
    long = {
        _name(path): count
        for path in [*HAND_WRITTEN, *TESTS]
        if (count := path.read_text(encoding="utf-8").count("\n"))
        > (TEST_MODULE_LINES_MAX if path in TESTS else MODULE_LINES_MAX)
    }

    assert {} == long


def test_functions_fit_on_a_screen():
    """A function fits on one screen."""
    long = {
        f"{_name(path)}:{function.name}": lines
        for path in HAND_WRITTEN
        for function in _functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert {} == long


def test_no_two_modules_share_a_name():
    """A module's name says where it is: no two share one, and none is a drawer for anything."""
    names = Counter(path.stem for path in SOURCES if path.stem not in ("__init__", "env"))

    assert [] == [name for name, count in names.items() if count > 1]
    assert set() == DRAWERS & set(names)


def test_every_module_says_what_it_is_for():
    """Each module opens with a docstring."""
    silent = [
        _name(path)
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert [] == silent


def test_every_test_states_a_requirement():
    """Each test has a docstring that says which behaviour it holds."""
    silent = [
        f"{_name(path)}:{function.name}"
        for path in TESTS
        for function in _functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert [] == silent


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        pytest.param(
            r"\btime\.(time|time_ns|sleep|monotonic)\(|datetime\.(now|utcnow|today)\(",
            {"runtime/clock.py"},
            id="time comes from the clock",
        ),
        pytest.param(
            r"^\s*(import stripe\b|from stripe\b)",
            {"workers/gateway.py", "workers/stripe_errors.py", "ops/sandbox/form_params.py"},
            id="stripe is imported by the gateway, and its parameter types by the sandbox",
        ),
        pytest.param(r"\bpickle\b", {"workers/rq_process.py"}, id="nothing is pickled"),
        pytest.param(r"\bTODO\b|\bFIXME\b|\bXXX\b", set(), id="nothing is left to do"),
        pytest.param(r"(?i)duplicate events?\b", set(), id="repeated delivery or duplicate charge"),
        pytest.param(
            r"mock\.patch|monkeypatch\.setattr\(\"(ledger|ops|policy|runtime|webhooks|workers)",
            set(),
            id="our own modules are not patched",
        ),
    ],
)
def test_some_things_stand_in_one_place_only(pattern, allowed):
    """What one module owns, no other module does by itself."""
    assert [] == _lines_with(pattern, _outside(allowed))


def test_only_the_ledger_commits():
    """No package but the ledger opens or commits a transaction by itself."""
    others = [
        path
        for path in HAND_WRITTEN
        if path.relative_to(ROOT).parts[0] != "ledger" and "sandbox" not in path.parts
    ]

    assert [] == _lines_with(r"\.commit\(\)|engine\.begin\(|\.connect\(\) as", others)


def test_money_is_never_a_float():
    """No float stands in the rules, nor in the modules that move money."""
    money = [path for path in SOURCES if path.relative_to(ROOT).parts[0] == "policy"]
    money += [ROOT / "workers" / name for name in ("outcomes.py", "effects.py", "money_brakes.py")]
    floats = [
        f"{_name(path)}:{node.lineno}"
        for path in money
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]

    assert [] == floats


def test_every_exception_to_a_rule_carries_its_reason():
    """A `noqa` or `type: ignore` names its code and says why on the same line."""
    bare = _lines_with(r"# noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)*\s+-)", HAND_WRITTEN)
    bare += _lines_with(r"# type: ignore(?!\[[a-z-]+(, ?[a-z-]+)*\]\s+#)", HAND_WRITTEN)

    assert [] == bare


def test_every_package_is_shipped():
    """The wheel holds every package, and the command starts in one of them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert sorted(PACKAGES) == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {"redress": "ops.cli:main"} == project["project"]["scripts"]


def test_the_lock_files_name_hashes_and_no_place():
    """Every locked package is held by its hash, and no lock file names an index or a host."""
    for lock in (ROOT / "requirements.lock", ROOT / "tests" / "requirements.lock"):
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9][^\s]*==", text, flags=re.MULTILINE)

        assert pinned
        assert len(pinned) <= text.count("--hash=sha256:")
        assert "://" not in text
        assert "--index" not in text
