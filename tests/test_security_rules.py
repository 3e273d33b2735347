"""What a security review looks for first, held for every line of ours (OWASP ASVS 5.0, the numbers beside each)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ledger", "ops", "policy", "runtime", "webhooks", "workers")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TEMPLATES = sorted((ROOT / "ops").rglob("templates/*.html"))
#: What a name says that must not be compared by `==`, whose time tells how much of it was right.
SECRET = re.compile(
    r"\b(secret|token|csrf|signature|password|cookie|given_code)s?\b", re.IGNORECASE
)


def trees():
    """Each module with its syntax tree."""
    for path in MODULES:
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def test_secrets_are_compared_in_constant_time():
    """11.2.4: no `==` about a secret's own value; digests are looked up by SQL, the rest goes by `compare_digest`."""
    found = [
        f"{path}:{node.lineno} {text}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        and SECRET.search(text := ast.unparse(node))
        and ".c." not in text
        and not text.startswith("bool(")
        and not any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
    ]
    assert [] == found


def test_chance_for_secrets_is_the_systems():
    """11.5.1: what opens something comes from `secrets`; `random` and `uuid` are for what only has to differ."""
    found = {
        str(path)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {"random", "uuid"} & {name.name for name in node.names}
        and "sandbox" not in path.parts
    }
    # It names a copy of the ledger, which nobody can reach who cannot reach the ledger.
    assert {"ledger/scratch_ledger.py"} == found


def test_nothing_read_becomes_code():
    """1.5.2: nothing that came from outside is unpickled, evaluated or executed."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml"}
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = {name.name.partition(".")[0] for name in node.names}
                assert not forbidden & {*named, getattr(node, "module", "")}, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile"}, path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_everything(path):
    """1.2.1: no template switches escaping off, and pages of the dashboard have no script, style or handler of their own."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape false|Markup", text)
    if "dashboard" in path.parts:
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", text)
        assert not re.search(r"(?:src|href)=\"https?:", text)


def test_forms_carry_their_token():
    """3.5.1: every form that is posted has the session's token, but those at the doors, which have no session."""
    doors = {"sign_in.html", "welcome.html"}
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        for form in re.findall(r"<form method=\"post\".*?</form>", text, re.DOTALL):
            assert path.name in doors or 'name="csrf"' in form, path.name


def test_no_secret_is_in_the_code():
    """13.3.1: nothing that looks like a live key stands in any file that is kept."""
    kept = [
        path
        for pattern in ("*.py", "*.md", "*.toml", "*.html", "*.js", "*.yml", "*.json", "Makefile")
        for path in ROOT.rglob(pattern)
        if not set(path.relative_to(ROOT).parts) & {".venv", ".venv-mutation", "var", "mutants"}
    ]
    live = re.compile(r"(?:sk|rk)_live_[A-Za-z0-9]{24,}")
    found = [
        (path.name, match)
        for path in kept
        for match in live.findall(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert [] == found
