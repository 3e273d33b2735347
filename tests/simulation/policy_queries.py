"""What the ledger must never hold about requests, rulings, outages, credits, notices and ends: SQL for the first checker.

Each entry is (invariant, sentence, query); a query that finds a row has found a breach.
"""

POLICY_QUERIES = (
    (
        "I2",
        "a request is not judged",
        "SELECT key FROM refund_requests WHERE state = 'waiting' OR lease_until_ms IS NOT NULL",
    ),
    (
        "request",
        "a judged request's case is about another payment, or is no request's",
        (
            "SELECT r.key FROM refund_requests r LEFT JOIN cases c ON c.id = r.case_id"
            " WHERE r.state = 'judged' AND (c.charge_id IS NOT r.charge_id OR c.kind <> 'refund_request')"
        ),
    ),
    (
        "request",
        "a case's state is not what was decided last",
        (
            "SELECT c.id FROM cases c JOIN decisions d ON d.id = (SELECT max(id) FROM decisions"
            " WHERE case_id = c.id) LEFT JOIN refund_intents i ON i.case_id = c.id"
            " WHERE (d.verdict = 'review' AND c.state IN ('closed', 'refunding', 'refunded'))"
            " OR (d.verdict = 'deny' AND c.state IN ('refunding', 'refunded'))"
            " OR (d.verdict = 'approve' AND c.state = 'closed' AND i.state <> 'rejected')"
        ),
    ),
    (
        "request",
        "a case that the rules denied after an appeal does not wait for a person",
        (
            "SELECT c.id FROM cases c JOIN decisions d ON d.id = (SELECT max(id) FROM decisions"
            " WHERE case_id = c.id) WHERE c.appeals > 0 AND d.verdict = 'deny' AND c.state <> 'review'"
            " AND json_extract(d.body, '$.facts.request') IS NOT NULL"
        ),
    ),
    (
        "I5",
        "a person approved a refund of a payment that was known to be disputed",
        (
            "SELECT id FROM decisions WHERE verdict = 'approve'"
            " AND json_extract(body, '$.facts.ruling.payment.dispute') IN ('open', 'lost')"
        ),
    ),
    (
        "money",
        "an outage's case is about no outage that is written down",
        (
            "SELECT c.id FROM cases c WHERE c.kind LIKE 'outage:%'"
            " AND NOT EXISTS (SELECT 1 FROM outages o WHERE c.kind = 'outage:' || o.id)"
        ),
    ),
    (
        "credits",
        "a grant was drawn below nothing, or more came back than was used",
        (
            "SELECT g.id FROM credit_entries g JOIN credit_entries e ON e.grant_id = g.id GROUP BY g.id"
            " HAVING g.credits + sum(e.credits) < 0 OR sum(CASE e.kind WHEN 'restoration' THEN e.credits"
            " WHEN 'usage' THEN e.credits WHEN 'cover' THEN e.credits ELSE 0 END) > 0"
        ),
    ),
    (
        "credits",
        "a usage draws on a grant out of its time",
        (
            "SELECT e.id FROM credit_entries e JOIN credit_entries g ON g.id = e.grant_id"
            " WHERE e.kind IN ('usage', 'cover') AND (e.at < g.at OR e.at >= g.expires_at)"
        ),
    ),
    (
        "notices",
        "somebody was not told of a decision, or of one that nothing follows from",
        (
            "SELECT d.id FROM decisions d JOIN cases c ON c.id = d.case_id"
            " LEFT JOIN notices n ON n.key = 'refund.decided:' || d.id || ':webhook'"
            " WHERE (c.kind = 'refund_request' OR c.kind LIKE 'outage:%')"
            " AND (n.id IS NOT NULL) <> (d.mode = 'enforce')"
            " AND NOT (c.appeals > 0 AND d.verdict = 'deny')"
        ),
    ),
    (
        "notices",
        "a customer who asked was not told of the decision",
        (
            "SELECT d.id FROM decisions d JOIN cases c ON c.id = d.case_id"
            " LEFT JOIN notices n ON n.key = 'refund.decided:' || d.id || ':email'"
            " WHERE c.kind = 'refund_request' AND d.mode = 'enforce'"
            " AND coalesce(n.recipient, '') NOT LIKE '%@shop.example'"
            " AND NOT (c.appeals > 0 AND d.verdict = 'deny')"
        ),
    ),
    (
        "notices",
        "a notice tells another verdict or amount than was decided",
        (
            "SELECT n.id FROM notices n JOIN decisions d ON n.key = 'refund.decided:' || d.id || ':' || n.channel"
            " WHERE coalesce(json_extract(n.content, '$.amount.amount_minor'), 0) <> coalesce(d.amount_minor, 0)"
            " OR coalesce(json_extract(n.content, '$.verdict'), d.verdict) <> d.verdict"
            " OR n.subject_id <> d.case_id"
        ),
    ),
    (
        "notices",
        "a notice is not sent, or held",
        "SELECT id FROM notices WHERE state <> 'sent' OR lease_until_ms IS NOT NULL",
    ),
    (
        "request",
        "a subscription is to end without an accepted refund of its case",
        (
            "SELECT e.subscription_id FROM subscription_ends e LEFT JOIN refund_intents i"
            " ON i.case_id = e.case_id AND i.decision_id = e.decision_id"
            " JOIN decisions d ON d.id = e.decision_id"
            " WHERE coalesce(i.state, '') NOT IN ('pending', 'succeeded', 'failed')"
            " AND coalesce(json_extract(d.body, '$.facts.dispute.status'), '') <> 'lost'"
        ),
    ),
    (
        "I2",
        "a subscription's end waits for nobody",
        "SELECT subscription_id FROM subscription_ends WHERE state = 'wanted'",
    ),
    (
        "I16",
        "a case was appealed more often than is audited",
        (
            "SELECT c.id FROM cases c WHERE c.appeals <> (SELECT count(*) FROM audit"
            " WHERE action = 'cases.appeal' AND object = 'case:' || c.id)"
        ),
    ),
)

#: Whether any table that the queries begin with has a row.
POLICY_IN_USE = """
    SELECT 1 FROM refund_requests UNION ALL SELECT 1 FROM outages UNION ALL SELECT 1 FROM notices
    UNION ALL SELECT 1 FROM subscription_ends UNION ALL SELECT 1 FROM credit_entries
    UNION ALL SELECT 1 FROM cases WHERE kind <> 'duplicate_charge' OR appeals > 0
    UNION ALL SELECT 1 FROM audit WHERE action LIKE 'cases.%' LIMIT 1
"""
