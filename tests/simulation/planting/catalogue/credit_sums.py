"""Credits: issued, used, covered, expired, restored, and taken with a refund."""

from tests.simulation.planting import Defect

DEFECTS = (
    Defect(
        name="credits-survive-the-refund",
        file="workers/refund_consequences.py",
        old="    if effect.revoked:",
        new="    if not effect.revoked:",
        breaks="who was refunded keeps the credits",
        invariant="credits",
    ),
    Defect(
        name="known-keys-forgotten",
        file="ledger/credit_usage.py",
        old="    told = _told(connection, [report.key for report in reports])",
        new="    told: dict[str, UsageReport] = {}",
        breaks="a batch that is told again fails for ever",
        invariant="I2",
    ),
    Defect(
        name="contradiction-is-news",
        file="ledger/credit_usage.py",
        old="        elif before == report:",
        new="        elif before.customer_id == report.customer_id:",
        breaks="the product never hears that it used a key for two things",
        invariant="credits",
    ),
    Defect(
        name="drawn-after-its-end",
        file="ledger/credit_usage.py",
        old="            some = min(wanted, grant.left) if is_valid(grant, report.at) else 0",
        new="            some = min(wanted, grant.left)",
        breaks="credits are used before they were bought or after they ended",
        invariant="credits",
    ),
    Defect(
        name="newest-is-drawn-first",
        file="ledger/credit_grants.py",
        old="    return grant.expires_at is None, grant.expires_at or 0, grant.at, grant.grant_id",
        new="    return grant.expires_at is None, grant.expires_at or 0, -grant.at, -grant.grant_id",
        breaks="the credits that end first are drawn last",
        invariant="credits",
    ),
    Defect(
        name="early-usage-never-covered",
        file="ledger/credits.py",
        old="    rows = covering_rows(",
        new="    rows = [] if credits else covering_rows(",
        breaks="what was told before its purchase is free",
        invariant="credits",
    ),
    Defect(
        name="covered-twice",
        file="ledger/credit_covering.py",
        old="            open=-int(row.credits) + int(row.covered),",
        new="            open=-int(row.credits),",
        breaks="one usage is drawn from two grants",
        invariant="credits",
    ),
    Defect(
        name="ended-never-written-off",
        file="workers/sweeper.py",
        old="        expire_credits(connection, now_ms // 1000, now_ms, SWEEP_ROWS_MAX)",
        new="        expire_credits(connection, 0, now_ms, SWEEP_ROWS_MAX)",
        breaks="credits that ended can be restored and used",
        invariant="I2",
    ),
    Defect(
        name="written-off-a-day-early",
        file="ledger/credits.py",
        old='{"now": at - EXPIRY_GRACE_SECONDS, "most": count_max}',
        new='{"now": at + 24 * EXPIRY_GRACE_SECONDS, "most": count_max}',
        breaks="credits are taken while they are valid",
        invariant="credits",
    ),
)
