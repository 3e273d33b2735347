"""Fraud and disputes: warnings, inquiries, and what goes with the money."""

from tests.simulation.planting import Defect

DEFECTS = (
    Defect(
        name="warnings-are-not-suspicious",
        file="workers/fraud_judging.py",
        old="        return scored or bool(self.reports.own_warnings)",
        new="        return scored",
        breaks="what an issuer warns of waits for the dispute",
        invariant="lost",
    ),
    Defect(
        name="any-inquiry-is-small",
        file="policy/disputes.py",
        old="    return standing and facts.reason in rules.inquiry_reasons and 0 < left.amount_minor <= most",
        new="    return standing and facts.reason in rules.inquiry_reasons and 0 < left.amount_minor",
        breaks="a dear inquiry is given back and nobody was asked",
        invariant="money",
    ),
    Defect(
        name="any-reason-is-the-right-one",
        file="policy/disputes.py",
        old="    return standing and facts.reason in rules.inquiry_reasons and 0 < left.amount_minor <= most",
        new="    return standing and 0 < left.amount_minor <= most",
        breaks="an inquiry about a delivery is given back as if it were one about fraud",
        invariant="money",
    ),
    Defect(
        name="fraud-asks-nobody-what-it-paid-for",
        file="workers/fraud_judging.py",
        old="        if approved and not purchase_known(payment):",
        new="        if approved and payment is None:",
        breaks="the thief keeps the subscription that the stolen card paid",
        invariant="request",
        missing="not in 1,000 seeds: by the time a refund is accepted, its invoice has been told",
    ),
    Defect(
        name="fraud-beside-another-refund",
        file="workers/fraud_judging.py",
        old="        if approved and refund_under_way(self.connection, payment.charge_id, case.case_id):",
        new="        if approved and not payment.charge_id:",
        breaks="one payment is refunded for two causes at once",
        invariant="I4",
        missing="not in 1,000 seeds: two refunds of one payment are seldom under way at once",
    ),
    Defect(
        name="a-lost-dispute-costs-nothing",
        file="workers/dispute_judging.py",
        old="    if stage is not DisputeStage.LOST or decision.credits is None:",
        new="    if stage is not DisputeStage.OVER or decision.credits is None:",
        breaks="who got his money from the bank keeps the credits as well",
        invariant="credits",
    ),
)
