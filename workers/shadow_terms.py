"""Terms that decide beside those in force, on the same facts and without any effect (`REDRESS_SHADOW_TERMS`).

Stored decisions are made again by the sweeper from their own facts. A payment that the terms in force let through leaves
no decision, so whoever lets it through asks these terms at once. What other terms would have looked for and the terms in
force did not (a wider window for duplicates) is not among the facts, and is not seen: `redress policy backtest` reads events.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from ledger.engine import Store
from ledger.payment_facts import payments_by_charge
from ledger.rows import AnyRow
from ledger.shadow_verdicts import ShadowVerdict, not_yet_compared, write_shadow_verdicts
from policy.checks import MalformedFactError
from policy.decision import Decision, Verdict
from policy.fraud_scores import ScoreFacts, decide_score, weigh
from policy.fraud_signals import Signal
from policy.redeciding import redecide_any
from policy.terms_file import Terms, TermsError, read_terms
from runtime.limits import SWEEP_ROWS_MAX, TERMS_FILE_BYTES_MAX

#: Decisions that were made so long before the terms were first asked are compared as well.
LOOK_BACK_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTerms:
    """The other terms, and the digest of their file: other words in the file are other terms."""

    terms: Terms
    digest: str


def load_shadow(path: Path | None) -> ShadowTerms | None:
    """The terms of a file; None without one. Raises TermsError that names the file, the key and the reason."""
    if path is None:
        return None
    try:
        written = path.read_bytes()
    except OSError as unreadable:
        raise TermsError(f"{path.name} cannot be read ({unreadable.strerror})") from None
    if len(written) > TERMS_FILE_BYTES_MAX:
        raise TermsError(f"{path.name} is larger than {TERMS_FILE_BYTES_MAX} bytes")
    return ShadowTerms(terms=read_terms(path), digest=hashlib.sha256(written).hexdigest()[:16])


def compare_stored(store: Store, shadow: ShadowTerms | None, now_ms: int) -> int:
    """Have the shadow terms decide what was decided since they looked last; returns how many that were."""
    if shadow is None:
        return 0
    with store.read() as connection:
        rows = not_yet_compared(connection, shadow.digest, now_ms - LOOK_BACK_MS, SWEEP_ROWS_MAX)
    if not rows:
        return 0
    verdicts = [_compared(row, shadow) for row in rows]
    with store.write() as connection:
        write_shadow_verdicts(connection, verdicts, now_ms)
    return len(verdicts)


def note_let_through(
    connection: Connection,
    shadow: ShadowTerms | None,
    charge_id: str,
    *,
    signals: dict[str, Signal],
    exempt: str | None,
    now_ms: int,
) -> None:
    """Write down what the shadow terms say of a payment that is let through, where they would not let it through."""
    if shadow is None:
        return
    rules = shadow.terms.fraud_scores
    if sum(weigh(signals, rules).values()) < rules.review_score:
        return
    payment = payments_by_charge(connection, [charge_id])[charge_id]
    facts = ScoreFacts(payment=payment, signals=signals, exempt=exempt)
    found = decide_score(facts, shadow.terms)
    if found.verdict is Verdict.DENY:
        return
    verdict = ShadowVerdict(
        terms_digest=shadow.digest,
        decision_id=None,
        charge_id=charge_id,
        found=found,
        differs=True,
    )
    write_shadow_verdicts(connection, [verdict], now_ms)


def _compared(row: AnyRow, shadow: ShadowTerms) -> ShadowVerdict:
    stored = Decision.from_json(row.body)
    try:
        found = redecide_any(stored.facts, shadow.terms)
    except MalformedFactError:
        # Facts of an older version: what they come to now is not known, and is no difference.
        found = stored
    return ShadowVerdict(
        terms_digest=shadow.digest,
        decision_id=row.id,
        charge_id=row.charge_id,
        found=found,
        differs=(found.verdict, found.amount, found.credits)
        != (stored.verdict, stored.amount, stored.credits),
    )
