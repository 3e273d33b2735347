"""Marks rare paths, so that a test run can prove that it went there. Free when nobody counts.

A line `probe("inbox.known")` says: this happens, seldom, and something depends on it. The simulator
(`tests/simulation`) counts the probes and fails when one of them was never hit, because a path that no test
walks is a path that nobody knows. Each name stands in `PROBES` with what leads there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

PROBES: Final[Mapping[str, str]] = {
    "inbox.known": "a delivery was repeated, and its row is there already",
    "inbox.wary": "events whose worker died once are leased in small groups",
    "inbox.alone": "an event that failed or killed more than once is leased without its neighbours",
    "inbox.lease_lost": "a worker comes back to events that a successor has taken over",
    "drain.one_by_one": "an event of a group failed, and the group is worked again with savepoints",
    "drain.group_put_off": "the database failed under a group of events, which is tried again later",
    "drain.left_to_the_sweeper": "it failed for giving the group back as well: the leases run out",
    "drain.parked_at_last": "an event under which the database failed as often as anything may is parked",
    "judge.withdrawn": "an intent of which nothing left was taken back by a new judgement",
    "judge.taken_up_again": "an intent that was withdrawn or observed is approved once more",
    "judge.beyond": "a payment is judged again whose refund is at Stripe, or may be",
    "fraud.refunded": "a payment goes back as fraud, by its score or a warning",
    "fraud.beyond": "a payment is looked at again whose refund as fraud is at Stripe, or may be",
    "fraud.ruled_on": "a payment is looked at again about which a person has ruled",
    "fraud.waits_for_another_refund": "suspected fraud while another refund of the payment is under way",
    "fraud.suspended": "an account rests because of a suspicion",
    "fraud.suspended_already": "it does so already",
    "fraud.freed": "a suspicion did not hold, and its account is active again",
    "fraud.stays_suspended": "a suspicion did not hold, and the account rests for another reason",
    "fraud.card_listed": "a card is put on the block list",
    "dispute.given_back": "an inquiry is answered by giving the money back",
    "dispute.waits_for_another_refund": "it would be, and another refund of the payment is under way",
    "dispute.beyond": "a dispute moves on whose refund is at Stripe, or may be",
    "dispute.lost": "a dispute is lost, and takes what was bought with it",
    "dispute.won_late": "a dispute that was lost is won after all: the credits come back",
    "fraud.purchase_unknown": "fraud goes back once Stripe has said what the payment was for",
    "dispute.purchase_unknown": "an inquiry is given back once Stripe has said what the payment was for",
    "projection.older": "an older rendering came after a newer one and was kept out",
    "projection.unclear": "two renderings of one second differ, and Stripe is asked",
    "look_up.overtaken": "an event moved the object while Stripe was asked about it",
    "look_up.answered": "Stripe's answer was written over what the ledger knew",
    "look_up.put_off": "Stripe did not answer a question, which is asked again later",
    "look_up.given_up": "a question was asked as often as anything is",
    "effect.not_due": "an intent was rung for that is not due, or is somebody else's",
    "effect.found_at_stripe": "a refund whose answer was lost is found in Stripe's list",
    "effect.not_found_at_stripe": "a call of unknown outcome left no refund at Stripe, and is sent again",
    "effect.too_old": "a call of unknown outcome lies too far back to be sent again",
    "effect.given_up": "an intent was tried as often as anything is, and goes to a person",
    "effect.held": "a brake keeps a refund back",
    "effect.held_at_the_last_moment": "a brake closed between the last check and the commit of the sending",
    "effect.dropped_unsent": "the last check no longer agreed, and nothing had left",
    "effect.dropped_sent": "the last check no longer agreed after a call of unknown outcome",
    "effect.fenced_off": "a sender outlived its lease and may not submit any more",
    "effect.lease_ran_out": "a sender stalled between the commit of the sending and the call",
    "effect.unread": "Stripe could not be read before the call, so nothing was sent",
    "effect.throttled": "Stripe wants the call later and did nothing",
    "effect.throttled_after_unknown": "so it said, but an earlier call of this intent may have done it",
    "effect.rejected": "Stripe refused the refund for good",
    "effect.rejected_unread": "Stripe refused, and could not be read after",
    "effect.already_refunded": "somebody else had refunded the payment in the last moment",
    "effect.unknown": "the outcome of a call is not known",
    "effect.other_money": "Stripe answered with a refund that is not the one asked for",
    "outcome.told_first": "an event told of a refund before the call's own answer was written",
    "outcome.no_news": "a refund's event says less than is known",
    "outcome.not_ours": "a refund that somebody else made",
    "outcome.failed_later": "a refund that Stripe had accepted failed afterwards",
    "last_check.disputed": "the payment is disputed at Stripe, which no event had told yet",
    "last_check.refunded_meanwhile": "somebody refunded all of it before our call",
    "last_check.decided_otherwise": "with what Stripe says now, the policy decides otherwise",
    "issue.price_untold": "an invoice was paid for a price of which nothing is known, and Stripe is asked",
    "issue.stopped_untold": "a purchase was refunded before the event that tells what it brought",
    "issue.no_offer": "what was paid for turned out to be no offer of the catalogue",
    "queue.pause": "Redis failed a moment ago and is left alone",
    "queue.flag_stands": "a wake-up is asked for while one waits already",
    "queue.flag_taken_back": "the flag was set and the job could not be enqueued",
    "queue.job_waits": "a row is rung for whose job still waits in the queue",
    "committer.store_away": "the store failed under a batch of deliveries: nobody is answered 200",
    "sweep.took_back": "a worker died with events under its lease",
    "sweep.rang_again": "an intent was due and nobody was on it",
    "request.not_due": "a request was rung for that is judged, or somebody else's",
    "request.unread": "Stripe could not be read for a request, which is judged later",
    "request.ambiguous": "address, day and product fit several purchases, or none of its name",
    "request.not_found": "nothing is known of the address that a request names",
    "request.joined_meanwhile": "another request about the purchase was judged at the same time",
    "request.joined_a_paid_case": "a request came when the refund of its purchase was made",
    "consequence.credits_revoked": "an accepted refund took what was left of the credits",
    "consequence.subscription_ends": "an accepted refund ends the subscription",
    "decision_check.other_amount": "the last look gives another amount than was decided",
    "end.not_due": "a subscription's end was rung for that is done, or somebody else's",
    "end.unread": "Stripe could not be asked about a subscription that is to end",
    "end.over_already": "a subscription that is to end was over already",
    "end.kept_back": "the brake is on, or the mode is observe, when a subscription is to end",
    "notice.not_due": "a notice was rung for that is sent, or somebody else's",
    "notice.lost_sender": "a sender died, or could not write down what it heard",
    "notice.lost_too_often": "an e-mail left twice and no answer came",
    "judge.ruled_on": "an event touches a payment on whose case a person ruled",
    "request.joined_a_ruled_case": "a request is about a purchase on which a person ruled",
    "ruling.too_late": "a person rules on a case whose refund is at Stripe, or may be",
    "appeal.again": "a case is appealed a second time, which a person decides",
    "appeal.in_vain": "a case was appealed and the rules still give nothing",
    "outage.waits_for_another_refund": "an outage is paid while another refund of the payment is under way",
    "outage.not_touched_or_paid": "an outage is run again, and what it owed was paid",
    "request.waits_for_another_refund": "a request is judged while another refund of its payment is under way",
    "request.another_currency": "Stripe's answer about a payment contradicts its events, and is asked for again",
    "usage.known": "the product reports again what it had reported",
    "usage.conflicting": "the product reports something else under a key that it used",
    "usage.covered_later": "a grant is told after the usage that it pays for",
    "credits.expired": "what was left of a grant is written off after its end",
    "plan.seen": "an event tells of a change of plan that somebody else made",
    "plan.applied_late": "a change made elsewhere had waited for its payment",
    "plan.own_echo": "an event tells of a change of plan that we made, or our schedule",
    "restore.not_due": "a change made elsewhere was rung for whose subscription is worked on",
    "restore.unread": "Stripe could not be read, or refused a call, while a change is put right",
    "restore.moved_on": "a subscription shows a price whose event has not arrived yet",
    "restore.left_to_a_person": "a change made elsewhere cannot be put right by a machine",
    "restore.loop_broken": "a change made elsewhere is the second of its subscription within a day",
    "restore.held": "the brake keeps back what would put a change right",
    "restore.given_up": "a change made elsewhere was tried to be put right as often as anything is",
    "restore.back": "a subscription goes back to its old price",
    "restore.forget": "a proration that waits for an invoice is deleted",
    "restore.void": "an invoice of a change made elsewhere, not paid yet, is voided",
    "restore.balance": "a credit for a change made elsewhere is taken out of the balance",
    "restore.credits_taken": "credits go of a period that a wrong credit had paid",
    "restore.credit_note": "a credit note follows the refund of a change made elsewhere",
    "restore.waits_for_an_invoice": "the payment of a change's invoice is not known yet",
    "restore.asked_since": "the customer asked for another plan after a change made elsewhere",
    "plan.not_due": "a change of plan was rung for whose subscription is worked on, or that is done",
    "plan.overtaken": "a change of plan was taken back or taken over while its worker looked",
    "plan.unread": "Stripe could not be read for a change of plan",
    "plan.stays": "the plan that a subscription has was asked for while another one was to come",
    "plan.held": "the brake keeps a change of plan back",
    "plan.found_at_stripe": "a step whose answer was lost is found carried out",
    "plan.sent_again": "a step whose answer was lost is sent again under its key",
    "plan.rejected": "Stripe refused a step of a change of plan",
    "plan.withdrawn_too_late": "a change was taken back that had taken effect already",
    "plan.let_go": "the schedule of a pending change was released by somebody else",
    "backfill.put_off": "Stripe did not answer while one of its lists was read",
    "backfill.found_event": "a list has an event that was never delivered",
    "reconcile.failed": "Stripe did not answer while the books were compared",
    "backfill.found_object": "a list has an object that no event told of",
}
"""Every probe and what leads there."""

_counting: Counter[str] | None = None


def probe(name: str) -> None:
    """Note that a rare path was walked, if anybody counts."""
    if _counting is not None:
        _counting[name] += 1


@contextmanager
def counted(hits: Counter[str]) -> Iterator[None]:
    """Count every probe of this process into `hits` while the block lasts."""
    global _counting  # noqa: PLW0603 - probes are plain lines anywhere: nothing could hand them a counter
    before, _counting = _counting, hits
    try:
        yield
    finally:
        _counting = before
