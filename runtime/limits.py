"""Every number that bounds something, with the argument for it.

Units are last in the name: bytes, chars, seconds, ms. A section per package; a number lives here
even when one module alone reads it, so that operators find all of them on one page.
"""

from typing import Final

# --- webhooks: what the machines' door accepts ----------------------------------------------

# Stripe's largest recorded events stay under 256 KiB (invoices with hundreds of lines); four times
# that leaves room, and 32 requests of this size at once still fit the memory aim of 80 MB a process.
BODY_BYTES_MAX: Final = 1024 * 1024

# Stripe's deepest object (an expanded subscription schedule) nests under 20 levels. Python's and
# orjson's recursion limits are far above 64, so depth is refused by us before either trips.
JSON_DEPTH_MAX: Final = 64

# Stripe's own tolerance for the signed timestamp. We apply it to both sides of now, because a
# timestamp from the future would stay replayable for as long as it is ahead.
SIGNATURE_AGE_SECONDS_MAX: Final = 300

# A header holds one signature per live secret (at most two while one is rotated) and a test scheme;
# each costs an HMAC comparison per configured secret, so a header of thousands is refused unread.
SIGNATURES_MAX: Final = 16

# Sixteen v1 signatures of 64 hex digits with their prefixes are under 1.2 KB.
SIGNATURE_HEADER_CHARS_MAX: Final = 2048

# Stripe's signing secrets are 38 chars; a shorter one than this is a typing error or a placeholder,
# and an empty one would let anybody sign events.
WEBHOOK_SECRET_CHARS_MIN: Final = 16

# Stripe allows 255 chars for an object's id; a longer one is no event of Stripe's.
EVENT_ID_CHARS_MAX: Final = 255

# How long a body may take to arrive. Stripe sends a few kilobytes at once; a client that drips bytes
# holds a connection, and a place among the large bodies, no longer than this.
BODY_SECONDS_MAX: Final = 10

# A body that grows beyond this needs one of LARGE_BODIES_MAX places to be read on. Events are 1 to
# 8 KB as a rule, so honest traffic hardly ever waits for a place.
SMALL_BODY_BYTES_MAX: Final = 16 * 1024

# Larger bodies held in memory at once, at BODY_BYTES_MAX each; further ones are left unread in their
# sockets until a place is free. With four, a hundred stalled megabytes grow the process by less than the
# 16 MiB of F15, which a test holds; with eight it was 18 MB.
LARGE_BODIES_MAX: Final = 4

# Connections served at once. An idle or dripping one costs about 20 KB, so 4,096 of them cost 80 MB;
# further ones wait in the kernel's backlog.
CONNECTIONS_MAX: Final = 4_096
CONNECTIONS_WAITING_MAX: Final = 1_024

# All headers of a request; Stripe's are under 2 KB. A longer head is answered 431 by the server.
HEADER_BYTES_MAX: Final = 32 * 1024

# How long the headers of a request may take, and how long a connection may idle between requests.
HEADER_SECONDS_MAX: Final = 15

# Calls with a large body that are worked on at once: checking 10,000 usages holds the interpreter for 0.1 s, and
# writing them takes half a second of SQLite's lock, in slices. Deliveries shall wait for one such call, not for four.
LARGE_CALLS_MAX: Final = 1

# Threads for what is not a delivery (health, the product API): each may wait for the database.
FLASK_THREADS: Final = 4

# Events that wait for the writer at most; a full queue is answered 503 at once. At 3,500 commits a
# second it is emptied in a third of one, and at 4 KB an event it holds 4 MB.
COMMIT_QUEUE_ROWS_MAX: Final = 1_024

# Rows in one commit: beyond this a row costs the same (27 µs, measured) and the first waits longer.
COMMIT_BATCH_ROWS_MAX: Final = 128

# How long a stopping server waits for the requests under way: longer than a body or a commit may
# take, shorter than the 30 s after which supervisors kill.
STOP_SECONDS_MAX: Final = 15

# Refused deliveries are told once per this long, reason and process, with their count: somebody who
# floods the door must not flood the log.
REFUSAL_LOG_SECONDS: Final = 10

# An answer to /health/ready stands for this long, so that asking often costs no write locks.
READY_SECONDS: Final = 1

# What a refused sender is told to wait when the store cannot take an event. Stripe keeps its own
# schedule; proxies and our sandbox obey this.
RETRY_AFTER_SECONDS: Final = 5

# --- ledger: rows, leases ------------------------------------------------------------------

# How long a worker owns an event. Draining makes no call to Stripe and stops after
# DRAIN_SECONDS_MAX, so more than twice that is ample. With the time that a restart takes, and a second
# kill now and then, stranded work is to be back within 30 s (measured: docs/testing.md).
LEASE_MS: Final = 12_000

# How long a worker owns an intent, renewed when it submits. Its reads and its call take a second or two;
# lease + sweep bring the work of a killed one back within 17 s, of the 30 s that are aimed at. A call
# may take 23 s and outlive it: then the successor asks Stripe first, the fence keeps the late one from
# submitting, and Stripe's key keeps two callers to one refund.
EFFECT_LEASE_MS: Final = 15_000

# A catalogue of ten thousand offers has under a megabyte; a larger file is another file.
CATALOGUE_BYTES_MAX: Final = 1024**2

# A handler that fails this often will not succeed by being asked again; the event is parked for a
# person (invariant I13).
EVENT_ATTEMPTS_MAX: Final = 12

# An event that was being worked on when the process died this often is taken for the killer and
# parked, so that the queue moves on (F14).
POISON_KILLS_MAX: Final = 3

# Events claimed at once of those whose worker died before. A killed worker leaves up to a batch of them,
# and one by one they would hold up everything new; with seven, the killer's neighbours die with it once
# more at the most, and are then alone.
WARY_ROWS_MAX: Final = 7

# An event that was tried this often is claimed alone from then on: what fails a whole group's
# transaction (a row that the database cannot take) must not fail its neighbours for ever.
TRIES_TOGETHER_MAX: Final = 3

# Rows that one pass of the sweeper, or one page of a listing, may touch (invariant I13).
SWEEP_ROWS_MAX: Final = 500

# How long a statement waits for SQLite's write lock before the receiver answers 503: under
# Stripe's patience (tens of seconds), above the longest batch commit seen (tenths of a second).
STORE_WAIT_SECONDS_MAX: Final = 5

# How long one statement waits for a lock of the database before it fails and is tried again later:
# under a lease, so that a worker still owns what it works on when it gets the lock.
DATABASE_LOCK_MS_MAX: Final = 5_000

# No statement of ours takes this long on a million rows; one that does is a lost connection.
DATABASE_STATEMENT_MS_MAX: Final = 15_000

# A fresh intent's own wake-up is left this long to arrive before the sweeper rings for it again:
# several pulses, so that a busy queue is not filled with second bells.
FIRST_RING_GRACE_MS: Final = 10_000

# Payments compared at once. More than this around one charge is no shop's customer but a test card
# or an attack, and goes to a person.
GROUP_PAYMENTS_MAX: Final = 200

# --- workers: draining, calling Stripe, sweeping -------------------------------------------

# Events claimed at once: two groups. All of a batch is leased while its first event is worked on, so
# a small one ends well inside its lease even on a machine that is ten times too slow.
DRAIN_BATCH_ROWS: Final = 50

# Events judged in one transaction: the commit's 0.2 ms is spread thin, and the receiver, which
# waits for the same write lock on SQLite, gets its turn every few tens of milliseconds.
DRAIN_GROUP_ROWS: Final = 25

# A drain job hands over to a fresh one after this long, so that a worker asked to stop does so soon.
DRAIN_SECONDS_MAX: Final = 5

# A drain job waits this long for more before it ends: a new job costs 20 Redis round trips, a fork
# and statements compiled anew (2 ms of CPU an event at 200/s, measured), a look at the inbox 0.15 ms.
DRAIN_LINGER_SECONDS: Final = 0.25

# How often it looks meanwhile: adds 5 ms to an event's way on average. Twice as often would work in
# half as large batches, each of two commits, and use twice the CPU.
DRAIN_LOOK_SECONDS: Final = 0.01

# Texts that are read out of Stripe's objects: ids have at most 255 chars, a metadata value 500. Several
# are indexed, and PostgreSQL's indexes take 2,704 bytes: a longer one would fail its whole group as if
# the database were away, again and again. 500 chars are 2,000 bytes at most.
STRIPE_TEXT_CHARS_MAX: Final = 500

# Stripe answers connections in tens of milliseconds; 3 s covers two lost SYN packets.
STRIPE_CONNECT_SECONDS_MAX: Final = 3

# Refunds answer in 1 to 3 s; after 20 s the outcome is treated as unknown and looked up. The SDK's
# default of 80 s would outlast the lease.
STRIPE_READ_SECONDS_MAX: Final = 20

# Stripe forgets an idempotency key after 24 h at the earliest; past this age a key is never sent
# again blind, which leaves four hours for clocks that disagree and calls that stall.
IDEMPOTENCY_KEY_AGE_SECONDS_MAX: Final = 20 * 3600

# How long a worker owns a notice: longer than RQ lets its job live (EFFECT_JOB_SECONDS_MAX), so that an
# e-mail is never handed over by two at once. A killed sender's notice is a minute late, which no
# customer sees.
NOTICE_LEASE_MS: Final = 60_000

# A channel whose other side could not be reached is left alone this long: each try waits for a time-out,
# and the other channel's notices wait in the same queue.
NOTICE_PAUSE_MS: Final = 30_000

# How often an e-mail may leave without an answer: once more than once, because an e-mail twice is better
# than none and three times is a nuisance. Then a person reads the mail server's log.
DOUBTFUL_SENDS_MAX: Final = 2

# A webhook that the product declines (404, 410, 400) this often is a person's: with the schedule's first
# delays that is three minutes, in which a deploy of the product's endpoint ends.
WEBHOOK_DECLINES_MAX: Final = 4

# The facts of a notice as JSON. A decision cites some twenty clauses of under 100 chars; receivers of
# webhooks commonly take 64 KiB and more.
NOTICE_CONTENT_CHARS_MAX: Final = 32_768

# RFC 5321 allows 256 chars for a path with its angle brackets.
EMAIL_ADDRESS_CHARS_MAX: Final = 254

# Each answer of the mail server. Relays answer in well under a second; ten covers one that looks
# something up first, and two such steps still fit the job's 50 s.
SMTP_STEP_SECONDS_MAX: Final = 10

# The product's endpoint is reached in milliseconds or not at all, and may take its time to answer:
# Standard Webhooks recommends 15 to 30 s.
WEBHOOK_CONNECT_SECONDS_MAX: Final = 5
WEBHOOK_ANSWER_SECONDS_MAX: Final = 15

# The sweeper's pulse. Stranded work is found within lease + this; a pulse costs a few milliseconds.
SWEEP_SECONDS: Final = 2

# --- runtime: wake-ups, logs, the embedded server ------------------------------------------

# How long one wake-up stands for all that follow it, at most. It is cleared by the drain job itself,
# so this matters only if that job is lost: then the next delivery after 5 s rings again.
DRAIN_FLAG_SECONDS: Final = 5

# RQ kills a drain job after this: six times the time at which it stops by itself.
DRAIN_JOB_SECONDS_MAX: Final = 30

# RQ kills an effect's job after this: two calls of 23 s and slack, and no longer than the lease, so
# that no job outlives its claim by more than a moment.
EFFECT_JOB_SECONDS_MAX: Final = 50

# How long it is remembered which job was last enqueued for a row: a full queue (QUEUE_JOBS_MAX) is
# worked through by two workers at 15 jobs a second (measured) in eleven minutes; then it matters no more.
EFFECT_WAIT_SECONDS_MAX: Final = 3600

# A finished job stays readable for a minute; it holds 5 KB of Redis until then, and 0 is slower.
JOB_RESULT_SECONDS: Final = 60

# A failed job stays readable for three days (a long weekend); RQ's own default is a year.
JOB_FAILURE_SECONDS: Final = 3 * 24 * 3600

# An idle RQ worker wakes this often; by default it sleeps 405 s and its maintenance with it.
RQ_WORKER_SECONDS: Final = 30

# How often a worker looks for abandoned jobs of its queue; by default every ten minutes.
RQ_MAINTENANCE_SECONDS: Final = 15

# A worker that lost Redis looks for it again at least this often; by default RQ doubles its pauses up
# to 60 s, and work would lie that long after Redis is back.
RQ_RECONNECT_SECONDS_MAX: Final = 5.0

# Wake-ups waiting in one queue. Rows keep the work, so more than this only fills Redis (at 0.5 KB
# each, 5 MB) while the workers are away; the sweeper rings again later.
QUEUE_JOBS_MAX: Final = 10_000

# Redis answers in under a millisecond here; a request must not wait longer than this for the bell.
REDIS_CONNECT_SECONDS_MAX: Final = 1
REDIS_REPLY_SECONDS_MAX: Final = 2

# After Redis failed, the bell is left alone this long: every accepted request would otherwise wait
# for the timeout above. The sweeper covers the gap.
REDIS_PAUSE_SECONDS: Final = 1

# An outage of Redis is told once per this long and process, not once per request.
REDIS_WARNING_SECONDS: Final = 30

# Connections that have been idle this long are tried with a PING before use.
REDIS_HEALTH_SECONDS: Final = 30

# Log records waiting for a blocked stdout. At 1 KB each, 10 MB; later ones are dropped and counted,
# because a request must never wait for its log line (F19).
LOG_QUEUE_RECORDS_MAX: Final = 10_000

# A single log line; longer strings in it are cut, so that one hostile message cannot fill the sink.
LOG_STRING_CHARS_MAX: Final = 4_000

# At exit the writer gets this long to empty its queue into a slow sink.
LOG_FLUSH_SECONDS_MAX: Final = 2

# macOS allows 103 bytes for a unix socket's path, Linux 107; the shorter one less a little.
SOCKET_PATH_BYTES_MAX: Final = 100

# The embedded server is ready in 0.1 s; reading a large append-only file back may take seconds.
REDIS_START_SECONDS_MAX: Final = 30

# A server whose parent was killed stops by itself in about 0.1 s; a new copy waits this long for it.
REDIS_HANDOVER_SECONDS_MAX: Final = 2

# It writes its last second of appends when asked to stop, measured under 0.1 s; then it is killed.
REDIS_STOP_SECONDS_MAX: Final = 10

# --- ops: one machine's processes -----------------------------------------------------------

# `redress up` starts a process that died again at once, then after 1, 3, 7 s and at most this long,
# so that one that cannot start does not eat the machine.
RESTART_PAUSE_SECONDS_MAX: Final = 15.0

# How long the demonstration waits after its last payment for the last refund to be confirmed.
DEMONSTRATION_SETTLE_SECONDS_MAX: Final = 180.0

# The facts of a request or of a duplicate, as `redress policy decide` reads them: under 4 KB with every key
# given. A larger file is something else by mistake, and is not read to its end.
FACTS_FILE_BYTES_MAX: Final = 64 * 1024

# A number in such a file: what the ledger's columns hold. A larger one is a slip of the keyboard, and
# Python does not write numbers of thousands of digits out.
FACT_NUMBER_MAX: Final = 2**63 - 1

# A draft of the refund terms that is named by its path. The shipped file has 5 KB.
TERMS_FILE_BYTES_MAX: Final = 256 * 1024
