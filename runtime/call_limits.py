"""Limits of what customers and the product may ask and tell; all others: `limits.py`."""

from typing import Final

# What is left of a grant is written off so long after its end: usage that the product reports in batches
# is told minutes late.
EXPIRY_GRACE_SECONDS: Final = 3600

# The largest batch of usage in one report, and the longest key, customer's id or reference in it.
USAGE_CREDITS_MAX: Final = 10**9
USAGE_TEXT_CHARS_MAX: Final = 200

# Entries of one report of usage, and the body of a call of the product API: 10,000 entries of the longest
# kind are 7 MB, of the usual kind 1.5 MB.
USAGE_ENTRIES_MAX: Final = 10_000
API_BODY_BYTES_MAX: Final = 4 * 1024 * 1024

# Any other call: 4,000 chars of evidence and some names, each char an escape of twelve bytes at worst, are 58 KB.
API_SMALL_BODY_BYTES_MAX: Final = 64 * 1024

# Entries of a report in one transaction, for which every delivery waits on SQLite: some 20 ms. And the pause
# after it: a thread that takes the lock again at once leaves those asleep who wait for it.
USAGE_ENTRIES_AT_ONCE: Final = 250
USAGE_PAUSE_SECONDS: Final = 0.002

# Wrong fields that one answer names; a batch in another format has thousands of the same.
API_PROBLEMS_MAX: Final = 20

# How long a worker owns a refund request: longer than RQ lets its job live, like a notice's lease.
REQUEST_LEASE_MS: Final = 60_000

# A request whose payment is being refunded for another reason is looked at again after a minute.
REQUEST_WAIT_MS: Final = 60_000

# A change of plan that waits for its period's end is looked at so long after it, in case that no event
# tells of the switch: Stripe renews a subscription within the hour.
PLAN_SWITCH_GRACE_SECONDS: Final = 3600

# Changes of one subscription in one answer: who asks wants the pending one and some before it.
PLAN_CHANGES_SHOWN_MAX: Final = 20

# What a customer writes about a purchase: a product's name or an id, and the story behind it.
REQUEST_TEXT_CHARS_MAX: Final = 200
REQUEST_EVIDENCE_CHARS_MAX: Final = 4_000

# A change of plan that was made elsewhere is looked at so long after its event: who clicks to and fro is done by
# then, and the events of the same second have arrived.
PLAN_SETTLE_SECONDS: Final = 20

# A change that waits for its payment is billed when it is made, and applied up to 23 hours later (docs.stripe.com/
# billing/subscriptions/pending-updates).
PLAN_PENDING_SECONDS: Final = 86_400

# One repair of a subscription in so long: whoever changes it again meets a person, not a machine that fights back.
PLAN_REPAIR_PAUSE_SECONDS: Final = 86_400

# A change that is told later than this after it was made is a person's: Stripe delivers for three days, and what is
# older comes from a backfill, perhaps from before redress had a say.
PLAN_REPAIR_AGE_SECONDS_MAX: Final = 3 * 86_400

# A portal session counts as the origin of its customer's change for so long: Stripe ends one after an hour without use.
PORTAL_SESSION_SECONDS: Final = 3_600

# Before a period's end that is nearer than this, Stripe can no longer be told of it.
PLAN_PERIOD_REST_SECONDS_MIN: Final = 60

# The credit note of a refund that is on its way is looked after this often.
PLAN_CREDIT_PAUSE_SECONDS: Final = 60

# Where a person has to rule on that refund first, looking more often would find nothing.
PLAN_PERSON_PAUSE_SECONDS: Final = 3_600
