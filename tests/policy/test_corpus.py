"""The labelled corpus against the detector: what is found, what is refunded, what is left alone."""

import sys
from collections import Counter

import pytest

from policy.duplicate_charges import decide_duplicate, find_duplicates
from policy.terms_file import load_terms
from tests.policy.payment_histories import History, load_corpus

CORPUS = load_corpus()
TERMS = load_terms()
SAID = {"approve": "refund", "review": "review", "deny": "deny"}


def outcome(history: History) -> dict[str, str]:
    payments = {payment.charge_id: payment for payment in history.payments}
    return {
        finding.charge_id: SAID[
            decide_duplicate(finding, payments[finding.charge_id], TERMS).verdict
        ]
        for finding in find_duplicates(history.payments, TERMS.duplicates)
    }


def test_corpus_size():
    """The corpus has at least 240 histories with names of their own and a reason each."""
    names = [history.name for history in CORPUS]
    written = [name for name in names if not name.endswith(")")]

    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(names) >= 240
    assert len(written) >= 200
    assert all(history.reason for history in CORPUS)


@pytest.mark.parametrize("history", CORPUS, ids=lambda history: history.name)
def test_history(history):
    """Each payment of a history comes out as the person who labelled it says."""
    assert history.expect == outcome(history), history.reason


def table(true, found, refunded, right):
    """The figures as lines for people, one kind a line and all of them last."""
    lines = [
        f"\n{'kind':<20}{'duplicates':>11}{'found':>7}{'recall':>8}{'refunds':>9}{'precision':>11}"
    ]
    for kind in sorted(true, key=lambda name: (name == "all", name)):
        recall, precision = found[kind] / true[kind], right[kind] / refunded[kind]
        counted = f"{kind:<20}{true[kind]:>11}{found[kind]:>7}{recall:>8.3f}"
        lines.append(f"{counted}{refunded[kind]:>9}{precision:>11.3f}")
    return "\n".join(lines) + "\n"


def test_precision_and_recall(capsys):
    """Automatic refunds are all true duplicates, and 95 % of the duplicates of a kind are found."""
    refunded, right, true, found = Counter(), Counter(), Counter(), Counter()
    for history in CORPUS:
        said = outcome(history)
        for kind in (history.kind, "all"):
            refunds = {charge for charge, verdict in said.items() if verdict == "refund"}
            seen = {charge for charge, verdict in said.items() if verdict != "deny"}
            refunded[kind] += len(refunds)
            right[kind] += len(refunds & history.duplicates)
            true[kind] += len(history.duplicates)
            found[kind] += len(seen & history.duplicates)
    with capsys.disabled():
        sys.stdout.write(table(true, found, refunded, right))

    assert refunded == right
    assert [kind for kind in true if found[kind] * 100 < true[kind] * 95] == []
    assert all(count >= 15 for count in refunded.values())
