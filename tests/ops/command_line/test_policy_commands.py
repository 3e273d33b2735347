"""`redress policy show`, `schema` and `diff`: the terms in words, and what changes between two versions."""

from dataclasses import fields

import pytest

from ops.clause_groups import CLAUSE_GROUPS
from ops.terminal import COLUMNS
from policy.clauses import Clause
from policy.request_terms import RequestTerms
from policy.terms_file import DuplicateConfidence, DuplicateTerms, load_terms
from tests.ops.command_line.terms_drafts import (
    CONFIDENCES,
    REQUEST_NUMBERS,
    SWITCHES,
    VERSION,
    WINDOWS,
    draft,
)

TERMS = load_terms()
NUMBERS = REQUEST_NUMBERS | WINDOWS | CONFIDENCES


def test_drafts_change_every_number():
    """The tests' drafts differ from the shipped terms in each number and switch that there is."""
    known = {field.name for kind in (RequestTerms, DuplicateTerms, DuplicateConfidence) for field in fields(kind)}  # fmt: skip
    others = {"order_reference_keys", "product_keys", "confidence"}

    assert known - others == set(NUMBERS) | set(SWITCHES)
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def test_every_clause_is_in_one_group():
    """The groups hold each clause once."""
    grouped = [clause for members in CLAUSE_GROUPS.values() for clause in members]

    assert sorted(Clause) == sorted(grouped)


def test_show(bare_redress):
    """Without a version the newest terms are shown, and which others there are; no setting is read."""
    ran = bare_redress("policy", "show")

    assert 0 == ran.exit_code
    assert ran.stdout.startswith("Terms 2025-09-14: for purchases from 2025-09-14 on (00:00 UTC).")
    assert "Versions, oldest first: 2025-09-14." in ran.stdout
    assert ran.stdout == bare_redress("policy", "show", "2025-09-14").stdout


def test_show_tells_every_number(bare_redress, tmp_path):
    """Each number of the terms is told, within 100 columns."""
    shown = bare_redress("policy", "show", draft(tmp_path, **NUMBERS)).stdout
    words = shown.replace(",", " ").replace(";", " ").split()

    assert [] == [key for key, value in NUMBERS.items() if str(value) not in words]
    assert max(map(len, shown.splitlines())) <= COLUMNS


@pytest.mark.parametrize("switch", SWITCHES)
def test_show_tells_every_switch(bare_redress, tmp_path, switch):
    """Each switch of the terms is told: turned, the text is another one."""
    turned = draft(tmp_path, **{switch: not getattr(TERMS.requests, switch)})

    assert [switch] == [
        each["key"].removeprefix("requests.")
        for each in bare_redress.json("policy", "diff", "2025-09-14", turned)["differences"]
        if each["key"] != "effective"
    ]
    before, after = (
        bare_redress("policy", "show", named).stdout.splitlines()[1:]
        for named in ("2025-09-14", turned)
    )
    assert before != after


def test_show_tells_every_clause(bare_redress):
    """Each clause is shown with its title."""
    shown = bare_redress("policy", "show").stdout

    assert [] == [
        clause for clause in Clause if f"{clause} " not in shown or TERMS.title(clause) not in shown
    ]


def test_show_for_machines(bare_redress):
    """The JSON has the sections of the file, the moment in seconds, and the clauses with their groups."""
    shown = bare_redress.json("policy", "show")

    assert ("2025-09-14", "2025-09-14", TERMS.effective, ["2025-09-14"]) == (
        shown["version"],
        shown["effective"],
        shown["effective_at"],
        shown["versions"],
    )
    assert (7, True, 100) == (
        shown["requests"]["window_days"],
        shown["requests"]["revoke_credits"],
        shown["duplicates"]["confidence"]["same_invoice"],
    )
    assert {"id": "X-LATE", "group": "Requests: what excludes", "title": "Asked for too late"} in (
        shown["clauses"]
    )


def test_one_is_one(bare_redress, tmp_path):
    """One day, one hour and one minute are told in the singular; an arrival on one day is no span."""
    keys = (
        "window_days", "outage_hours", "failure_hours", "review_business_days", "reply_hours",
        "arrival_business_days_min", "arrival_business_days_max", *WINDOWS,
    )  # fmt: skip
    shown = bare_redress("policy", "show", draft(tmp_path, **dict.fromkeys(keys, 1))).stdout

    assert "1 to 1" not in shown
    for plural in ("1 calendar days", "1 hours", "1 minutes", "1 working days"):
        assert plural not in shown


def test_schema(bare_redress):
    """The schema is printed as JSON, whatever the settings are."""
    ran = bare_redress("policy", "schema")

    assert 0 == ran.exit_code
    assert '"additionalProperties": false' in ran.stdout


def test_nothing_differs(bare_redress):
    """Two times the same version: the command says that nothing differs, and that is no failure."""
    ran = bare_redress("policy", "diff", "2025-09-14", "2025-09-14")

    assert (0, "Nothing differs between 2025-09-14 and 2025-09-14.\n") == (
        ran.exit_code,
        ran.stdout,
    )
    assert [] == bare_redress.json("policy", "diff", "2025-09-14", "2025-09-14")["differences"]


def test_differences(bare_redress, tmp_path):
    """Each key that differs is told with both values: numbers, switches, titles, lists, the day."""
    other = draft(
        tmp_path,
        window_days=13,
        revoke_credits=False,
        doubtful=67,
        APPEAL="Another title",
    )

    found = bare_redress.json("policy", "diff", "2025-09-14", other)

    assert ("2025-09-14", str(other)) == (found["a"], found["b"])
    assert [
        {"key": "effective", "a": "2025-09-14", "b": VERSION},
        {"key": "duplicates.confidence.doubtful", "a": 60, "b": 67},
        {"key": "requests.window_days", "a": 7, "b": 13},
        {"key": "requests.revoke_credits", "a": True, "b": False},
        {
            "key": "clauses.APPEAL",
            "a": "A second look when the customer brings more",
            "b": "Another title",
        },
    ] == found["differences"]


def test_differences_read_well(bare_redress, tmp_path):
    """People read each key with its value under either name, within 100 columns."""
    other = draft(tmp_path, revoke_credits=False)
    text = other.read_text(encoding="utf-8").replace('"sku"', '"sku", "item"')
    other.write_text(text, encoding="utf-8")

    shown = bare_redress("policy", "diff", "2025-09-14", other).stdout

    assert f"A is 2025-09-14, B is {other}." in " ".join(shown.split())
    assert "requests.revoke_credits\n  A  true\n  B  false\n" in shown
    assert "  B  product_id, product, sku, item\n" in shown
    assert shown.endswith("\n\n3 differences.\n")


@pytest.mark.parametrize("command", ["show", "diff", "decide", "page"])
@pytest.mark.parametrize(
    ("named", "said"),
    [
        pytest.param("2031", "there are: 2025-09-14", id="a version that is not known"),
        pytest.param("drafts/none.toml", "no file drafts/none.toml", id="a file that is not there"),
        pytest.param("/dev/zero", "no file /dev/zero", id="a file without an end"),
        pytest.param("x" * 300 + ".toml", "cannot be read", id="a name beyond measure"),
        pytest.param("a\0.toml", "no file", id="a null character"),
    ],
)
def test_unknown_terms(bare_redress, command, named, said):
    """Terms that are not there end with code 2 and a sentence that says which there are."""
    args = {
        "show": [named],
        "page": [named],
        "diff": ["2025-09-14", named],
        "decide": ["-", "--terms", named],
    }
    ran = bare_redress("policy", command, *args[command])

    assert (2, "") == (ran.exit_code, ran.stdout)
    [sentence] = ran.stderr.splitlines()
    assert said in sentence
    assert sentence.endswith(f"policy {command} --help`.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            ("window_days = 7", "window_days = 99"),
            "2031-02-03.toml: requests.window_days: is 99",
            id="an entry",
        ),
        pytest.param(("[requests]", "[requests"), "2031-02-03.toml: Expected", id="no TOML"),
        pytest.param(("'2031-02-03'", "'2032'"), "is not the file's name", id="another name"),
        pytest.param(("[requests]", "#" * 2**18), "is larger than 262144 bytes", id="too large"),
    ],
)
def test_refused_draft(bare_redress, tmp_path, change, said):
    """A draft passes the same checks as the shipped terms; what is wrong is told with file and key."""
    path = draft(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")

    ran = bare_redress("policy", "show", path)

    assert 2 == ran.exit_code
    assert said in ran.stderr
