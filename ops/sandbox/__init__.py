"""The sandbox: a stateful stand-in for the part of Stripe's API that the processor calls.

It holds to API version `2026-10-28.endive` and is stricter than Stripe. In process it is
`stripe_stand_in.SandboxStripe` (deterministic, given a clock and a random source), over HTTP it is
`sandbox_server.serve`; `book.Book` is its memory, `deliveries` its webhooks, `shop_day` its traffic.

In process
----------
    sandbox = SandboxStripe(book, clock, rng, faults=Faults(rng))
    answer = sandbox.request("POST", "/v1/refunds", [("charge", "ch_…"), ("metadata[a]", "1")], headers)
    answer = sandbox.control("POST", "/sandbox/disputes", {"charge": "ch_…"}, headers)
    answer.status -> int, answer.headers -> dict[str, str], answer.body -> bytes (JSON), answer.json() -> dict
    sandbox.tick() -> int        chores that were due (refunds that settle later); the server ticks 10 times a second
The parameters are the pairs of the query or the form. Headers that count: `Authorization` (Bearer or Basic
`sk_test_…`; in process a missing one is accepted as `sk_test_sandbox` only if `check_key=False`), `Idempotency-Key`, and
`Sandbox-Created: <unix seconds>`, which backdates all that a POST (to /v1 or /sandbox) creates, events included.

Supported paths under /v1 (POST bodies are form-encoded, answers JSON, errors Stripe-shaped)
------------------------------------------------------------------------------------------
    customers                         POST, GET        customers/{id}                        POST, GET
    payment_methods                   POST, GET (customer=)   payment_methods/{id}           GET
    payment_methods/{id}/attach       POST             customers/{id}/payment_methods        GET
    payment_intents                   POST, GET        payment_intents/{id}                  POST, GET
    payment_intents/{id}/confirm | capture | cancel    POST
    charges                           GET              charges/{id}                          POST, GET
    balance_transactions              GET              balance_transactions/{id}             GET
    refunds                           POST, GET        refunds/{id}                          POST, GET
    refunds/{id}/cancel               POST
    products, prices                  POST, GET        products/{id}                         GET
                                                       prices/{id}                           POST, GET
    coupons                           POST             coupons/{id}                          GET
    tax_rates                         POST             tax_rates/{id}                        GET
    subscriptions                     POST, GET        subscriptions/{id}                    POST, GET, DELETE
    subscription_schedules            POST, GET        subscription_schedules/{id}           POST, GET
    subscription_schedules/{id}/release | cancel       POST
    invoices                          POST, GET        invoices/{id}                         GET
    invoices/{id}/finalize | pay | void | attach_payment                                     POST
    invoiceitems                      POST, GET        (amount or pricing[price])            {id}: GET, DELETE
    credit_notes                      POST, GET        customers/{id}/balance_transactions   POST, GET
    billing_portal/configurations     POST, GET        billing_portal/configurations/{id}    POST, GET
    invoice_payments                  GET              invoice_payments/{id}                 GET
    disputes                          GET              disputes/{id}                         POST, GET
    disputes/{id}/close               POST
    radar/early_fraud_warnings        GET              radar/early_fraud_warnings/{id}       GET
    reviews                           GET              reviews/{id}                          GET
    reviews/{id}/approve              POST
    events                            GET              events/{id}                           GET
    webhook_endpoints                 POST, GET        webhook_endpoints/{id}                POST, GET, DELETE

Payment methods: `payment_method=pm_card_visa` (also mastercard, amex, discover, visa_debit, and the declining
`pm_card_chargeDeclined`, `pm_card_chargeDeclinedInsufficientFunds`) works wherever Stripe takes one; a POST to
payment_methods takes `type=card`, `card[token]=tok_visa | tok_mastercard | tok_amex | tok_chargeDeclined …` and, to choose the card's
fingerprint, `metadata[sandbox_fingerprint]=<text>` (the same text is the same card; without it a new card each time), `metadata[sandbox_country]=FR`.
`pm_card_*` used directly always is the same card of that brand (fingerprint "sandbox_visa" …).

Control endpoints (JSON in and out; errors {"error": {"message"}} with 400 or 404)
--------------------------------------------------------------------------------
    GET  /sandbox/health                    {"status": "ok", "events": <last seq>, "objects": {"charges": n, …}}
    GET  /sandbox/book?kind=refunds         {"kind": "refunds", "data": [object, …]}   newest first; kinds: book.KINDS, and "events"
    GET  /sandbox/requests?path_prefix=/v1/refunds   {"data": [{"seq", "method", "path", "idempotency_key", "status", "fault"}, …]} last 10,000 API
                                            requests, oldest first; status 0 = no answer was sent
    POST /sandbox/faults                    body [{"method": "POST", "path_prefix": "/v1/refunds", "kind": "500", "times": 1 | "probability": 0.2, "seconds": 60,
                                            "executed": false}, …]
                                            replaces all faults; GET shows them with what is left. kinds: 429, 500, 500_stored, 503, 409,
                                            timeout_before, timeout_after, reset, truncated_json, other_currency, stall_seconds; `executed` (500_stored, reset): done all the same
    POST /sandbox/settings                  {"refund_life": "succeeded" | "pending" | "pending_then_succeeded" | "pending_then_failed", "refund_delay_seconds": 5,
                                            "settle_seconds": 0}; GET shows them. settle_seconds: how long charge.updated with the balance transaction
                                            comes after charge.succeeded (0: at once, as a separate event)
    POST /sandbox/disputes                  {"charge", "amount"?, "reason"?, "status"? (default needs_response; warning_needs_response = inquiry)} -> dispute
    POST /sandbox/disputes/{id}             {"status": "under_review" | "won" | "lost" | "warning_closed" | …} -> dispute (events updated / closed / funds_*)
    POST /sandbox/early_fraud_warnings      {"charge", "fraud_type"?} -> warning
    POST /sandbox/reviews                   {"charge", "reason"?, "opened_reason"?} -> review;   POST /sandbox/reviews/{id} {"closed_reason"} -> review
    POST /sandbox/subscriptions/{id}/renew  {} -> {"subscription", "invoice", "charge"}   one period on: invoice subscription_cycle, charge, moved period;
                                            applies the next phase of a schedule; a cancel_at_period_end ends it ("invoice" and "charge" null)
    POST /sandbox/subscriptions/{id}/change {"by": "dashboard" | "portal" | "api", "items"?, "proration_behavior"?, "billing_cycle_anchor"?, "trial_end"?,
                                            "payment_behavior"?} -> subscription, changed as they do it (the portal has a session, only a program a key)
    POST /sandbox/refunds                   {"charge", "amount"?, "reason"?} -> refund made by hand in the dashboard (event.request.id set, idempotency_key null)
    POST /sandbox/refunds/{id}              {"status": "succeeded" | "failed" | "canceled" | "requires_action", "failure_reason"?} -> refund
    POST /sandbox/events                    {"type", "kind": "charges", "id": "ch_…"} -> a second, separate event telling of that object as it is now
    POST /sandbox/reset                     {} -> {"status": "ok"}   forgets everything
`sandbox_server.SandboxServer(sandbox, port, controls={("POST", "/sandbox/…"): handler})` takes more of them: handler(body: Json) -> Json.

Reading events for delivery
---------------------------
`book.wait_for_event(seq, timeout_seconds)` blocks for news; `book.events_after(seq, limit)` returns (seq, event) pairs in the order of
emission, committed ones only. Endpoints are `book.newest_first("webhook_endpoints")`: `url`, `enabled_events` (names or "*"), `status`
("enabled" | "disabled"), `api_version`, `_secret` ("whsec_…"), `_previous_secrets` ([{"secret", "until": unix seconds}]). An event is emitted with
`pending_webhooks` = the number of endpoints that want it; the delivery engine calls `book.set_pending_webhooks(event_id, n)` as they answer
(events.list's `delivery_success` reads it). Keys that begin with "_" are never rendered: use them for delivery state on an endpoint.
"""
