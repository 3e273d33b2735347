"""Limits of replays, and of what is asked of Stripe without an event; all others: `limits.py`."""

from typing import Final

# Events that one transaction of a replay puts back: 100 are some 10 ms, for which SQLite's other writers wait.
REPLAY_STEP_ROWS: Final = 100

# Events of a replay that wait for a worker at a time. They are older than live traffic and are claimed before it,
# which these hold up by some 0.2 s.
REPLAY_WAITING_MAX: Final = 200

# Without a worker that settles one of them for so long, a replay stops and says so.
REPLAY_STALL_SECONDS: Final = 20.0
REPLAY_LOOK_SECONDS: Final = 0.05

# Pages of Stripe's lists are asked for this far apart: a tenth of the 100 calls in a second that Stripe permits in live
# mode (25 in test mode), so that refunds always find room (docs.stripe.com/rate-limits).
LIST_PAUSE_SECONDS: Final = 0.1
LIST_PAGE_ROWS: Final = 100

# Stripe keeps events for 30 days (docs.stripe.com/api/events).
EVENTS_KEPT_SECONDS: Final = 30 * 86_400

# What was made less than this ago is left to Stripe's own deliveries, which take a second or two; an object's events
# may take minutes when a worker is behind.
BACKFILL_SETTLE_SECONDS: Final = 60
BACKFILL_OBJECT_DELAY_SECONDS: Final = 600

# One job reads so many pages, some seconds' work, so that refunds of the same worker wait no longer. Then others' turn.
BACKFILL_PAGES_AT_ONCE: Final = 20

# How long one process owns the reading: longer than RQ lets a job live.
BACKFILL_LEASE_MS: Final = 60_000

# Where Stripe did not answer, it is asked again after a minute.
BACKFILL_AGAIN_SECONDS: Final = 60

# Undelivered events are looked for this far back at each pass: Stripe tries for three days (docs.stripe.com/webhooks).
UNDELIVERED_SECONDS: Final = 4 * 86_400

# The ledger is compared with Stripe once a day, so many pages a job: each difference costs a call besides.
RECONCILE_EVERY_MS: Final = 86_400_000
RECONCILE_PAGES_AT_ONCE: Final = 10

# A merchant whose ledger was away when the receiver started is tried again so often.
MERCHANT_RETRY_SECONDS: Final = 5

# Dispute ratios and comparisons with Stripe change slowly and cost a scan: the exporter reads them so often.
SLOW_METRICS_SECONDS: Final = 300

# Differences that a page of output shows; all of them are in its CSV and JSON.
DIFFERENCES_SHOWN_MAX: Final = 50

# A one-time link into the dashboard: long enough to reach a colleague, short enough to be found unused in no mailbox.
INVITATION_MS: Final = 24 * 3_600_000

# Sessions of the dashboard: OWASP's ASVS asks for an end without use and an end in any case.
SESSION_IDLE_MS: Final = 15 * 60_000
SESSION_MS_MAX: Final = 12 * 3_600_000
# Before money moves, whoever is signed in shows again who they are, unless they just did.
SESSION_FRESH_MS: Final = 5 * 60_000
# That a person is still there is written this often, not at every click.
SESSION_SEEN_EVERY_MS: Final = 60_000

# Attempts to sign in from one address, or as one person by code, in so long. Passkeys and codes cannot be guessed in
# any number of them: this keeps the noise out of the audit log and the work off the database.
SIGN_IN_ATTEMPTS_MAX: Final = 10
SIGN_IN_WINDOW_MS: Final = 10 * 60_000

# Challenges for passkeys: open for so long, and so many at once, since anybody may ask for one.
CHALLENGE_MS: Final = 5 * 60_000
CHALLENGES_MAX: Final = 1_000

# Codes for whoever has lost every passkey; 118 bits each.
RECOVERY_CODES: Final = 10
