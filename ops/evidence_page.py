"""The evidence pack of one dispute as an HTML page for a person, to read or to print: no script, nothing loaded from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.evidence_pack import Buyer, EvidencePack
from ops.moments import moment_text
from ops.page_templates import page_templates
from policy.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSection:
    """One part of the page: facts by name, or rows under columns, or the sentence that says there are none."""

    heading: str
    facts: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    none: str = ""


def render_evidence(pack: EvidencePack) -> str:
    """The page as a document."""
    templates = page_templates()
    dispute = pack.dispute
    return templates.get_template("evidence.html").render(
        pack=pack,
        disputed=Money(amount_minor=dispute.amount_minor, currency=dispute.currency),
        due=None if dispute.due_by is None else _moment(dispute.due_by),
        sections=evidence_sections(pack),
    )


def evidence_sections(pack: EvidencePack) -> list[EvidenceSection]:
    """The parts of the page, in order; they hold personal data."""
    return [_payment(pack), _compelling(pack), *_lists(pack)]


def _payment(pack: EvidencePack) -> EvidenceSection:
    charge = pack.charge
    captured = Money(amount_minor=charge.captured_minor, currency=charge.currency)
    back = Money(amount_minor=charge.refunded_minor, currency=charge.currency)
    return EvidenceSection(
        heading="The payment",
        facts=(
            ("charge", charge.charge_id),
            ("what was bought", pack.descriptions[charge.charge_id]),
            ("paid", f"{captured} on {_moment(charge.created)}"),
            ("given back", str(back) if charge.refunded_minor else "nothing"),
            ("refund terms in force", pack.terms_version),
            *_who(pack.buyer),
        ),
    )


def _compelling(pack: EvidencePack) -> EvidenceSection:
    compelling = pack.compelling
    heading = "Earlier payments that speak for this one (Visa Compelling Evidence 3.0)"
    if not compelling.qualifies:
        return EvidenceSection(heading=heading, none=f"They do not qualify. {compelling.why_not}")
    return EvidenceSection(
        heading=heading,
        columns=("payment", "e-mail", "IP address", "device", "account"),
        rows=tuple(
            (
                charge_id,
                *(
                    value or "not known"
                    for value in (
                        pack.buyers[charge_id].email,
                        pack.buyers[charge_id].ip_address,
                        pack.buyers[charge_id].device_id,
                        pack.buyers[charge_id].customer_id,
                    )
                ),
            )
            for charge_id in (pack.charge.charge_id, *compelling.prior)
        ),
    )


def _who(buyer: Buyer) -> Iterator[tuple[str, str]]:
    yield "customer", buyer.customer_id or ""
    yield "e-mail", buyer.email or ""
    yield "IP address", buyer.ip_address or ""
    yield "device", buyer.device_id or ""


def _lists(pack: EvidencePack) -> Iterator[EvidenceSection]:
    how = {True: "successful", False: "failed", None: "not reported"}
    yield EvidenceSection(
        heading="What was used after the payment",
        columns=("when", "credits", "outcome"),
        rows=tuple(
            (_moment(row.at), str(-row.credits), how[row.successful]) for row in pack.facts.usage
        ),
        none="No use was reported.",
    )
    yield EvidenceSection(
        heading="Payments of this card and customer",
        columns=("charge", "when", "amount", "disputed or reported"),
        rows=tuple(
            (
                row.charge_id,
                _moment(row.created),
                str(Money(amount_minor=row.captured_minor, currency=row.currency)),
                "yes" if row.charge_id in pack.facts.accused else "no",
            )
            for row in pack.facts.payments
        ),
    )
    yield EvidenceSection(
        heading="Decisions about the payment",
        columns=("when", "verdict", "amount", "because of", "terms"),
        rows=tuple(
            (
                moment_text(made_ms),
                decision.verdict.value,
                "" if decision.amount is None else str(decision.amount),
                ", ".join(one.clause.value for one in decision.clauses),
                decision.terms_version,
            )
            for made_ms, decision in pack.decisions
        ),
        none="None was made.",
    )
    yield EvidenceSection(
        heading="What the customer asked for",
        columns=("when", "reasons", "in the customer's words"),
        rows=tuple(
            (_moment(row.asked_at), row.reasons.strip("[]").replace('"', ""), row.evidence or "")
            for row in pack.facts.requests
        ),
        none="No refund was asked for.",
    )
    yield EvidenceSection(
        heading="E-mails that the customer was sent",
        columns=("when", "what about"),
        rows=tuple((moment_text(row.sent_ms), row.event) for row in pack.facts.notices),
        none="None was sent.",
    )


def _moment(seconds: int) -> str:
    return moment_text(seconds * 1_000)
