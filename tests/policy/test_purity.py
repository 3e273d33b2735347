"""The policy's promise to be pure, tried rather than believed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "calendar",  # the lengths of months
    "collections",
    "dataclasses",
    "datetime",  # the day from which terms hold, the lengths of periods; never what time it is
    "enum",
    "importlib",
    "itertools",
    "json",
    "policy",
    "re",
    "tomllib",
    "typing",
}

# The standard library's own modules are loaded first: what they need is not the policy's doing.
TRIAL = """
import calendar, collections.abc, dataclasses, datetime, enum, importlib.readers
import importlib.resources, itertools, json, pkgutil, re, sys, tomllib, typing
for name in ("socket", "time", "random", "os", "sqlalchemy", "stripe", "redis", "flask", "runtime"):
    sys.modules[name] = None
import policy
for module in pkgutil.iter_modules(policy.__path__):
    __import__("policy." + module.name)
from policy.terms_file import load_terms
print(load_terms().version)
"""


def imports_of(path):
    """What a module imports, as (module, name) pairs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def test_policy_loads_without_the_world():
    """The policy and its terms load where there is no clock, network, database or Stripe."""
    ran = subprocess.run(
        [sys.executable, "-c", TRIAL],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = (ran.stdout, ran.stderr)

    assert said == ("2025-09-14\n", "")


def test_policy_imports():
    """The policy imports a short list of the standard library and itself, and asks nobody what time it is."""
    seen = {pair for path in (ROOT / "policy").rglob("*.py") for pair in imports_of(path)}
    packages = {module.partition(".")[0] for module, _ in seen}

    assert packages <= ALLOWED
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "policy").rglob("*.py")]

    assert {name for module, name in seen if module == "datetime"} <= {
        "UTC",
        "date",
        "datetime",
        "timedelta",
    }
    assert not any(re.search(r"\.(now|today|utcnow)\(", source) for source in sources)
