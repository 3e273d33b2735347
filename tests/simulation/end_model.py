"""Which subscriptions we ended at Stripe, against the refunds that were to end one."""

from collections import Counter

from runtime.limits import EVENT_ATTEMPTS_MAX
from tests.simulation.stripe_history import GONE

_ENDS = "SELECT subscription_id, state FROM subscription_ends"


class EndModel:
    """Judges one world: a subscription whose whole purchase was refunded ends once, and no other does."""

    def __init__(self, world, history, says, rulings):
        self._world = world
        self._history = history
        self._says = says
        self._rulings = rulings
        #: Of refunds whose money came back before we knew that they were accepted.
        self._came_back = set()

    def check(self):
        """Report ends that nobody's refund was behind, that came before it, or twice."""
        due, lost = self._due(), self._lost()
        ended = Counter()
        for call in self._world.line.log:
            if call.method != "DELETE" or not call.path.startswith("/v1/subscriptions/"):
                continue
            subscription_id = call.path.rpartition("/")[2]
            ended[subscription_id] += call.status == 200
            began = [one[subscription_id] for one in (due, lost) if subscription_id in one]
            if not began or min(began) > call.at_ms:
                self._breach("request", f"{subscription_id} was ended without a refund before it")
        twice = [one for one, times in ended.items() if times > 1]
        if twice:
            self._breach("request", f"ended more than once: {twice}")
        rows = dict(self._world.store.raw.execute(_ENDS).fetchall())
        unsettled = {one for one, state in rows.items() if state != "ended"}
        given_up = {one for one, state in rows.items() if state == "failed" and self._tried(one)}
        # What is lost before anybody acts, or told of after something newer, ends nothing.
        least, most = set(due) - self._came_back, set(due) | set(lost)
        if not least <= set(rows) <= most or unsettled - given_up:
            self._breach("request", f"to be ended were {sorted(due)}, written down is {rows}")

    def _tried(self, subscription_id):
        """Whether Stripe kept its answers back as often as anything is tried: then a person ends it, by design."""
        away = "stripe away for long" in self._world.swarm.faults
        lost = [
            call
            for call in self._world.line.log
            if call.path == f"/v1/subscriptions/{subscription_id}" and call.status != 200
        ]
        return away or len(lost) >= EVENT_ATTEMPTS_MAX

    def _due(self):
        """When Stripe was first asked for the refund that ends a subscription, by subscription."""
        due = {}
        for intent_id, refunds in self._history.ours.items():
            charge_id, posts = refunds[0]["charge"], self._history.posts[intent_id]
            if self._takes_all(charge_id, refunds[0], self._says.intents.get(intent_id)):
                for subscription_id in self._history.subscriptions(charge_id):
                    earlier = due.get(subscription_id, posts[0].at_ms)
                    due[subscription_id] = min(earlier, posts[0].at_ms)
                    if refunds[0]["status"] in GONE:
                        self._came_back.add(subscription_id)
        return due

    def _lost(self):
        """When a dispute was first lost that takes a subscription with it, by subscription."""
        lost = {}
        for moved_ms, charge_id, status in self._world.shop.disputes:
            if status == "lost":
                for subscription_id in self._history.subscriptions(charge_id):
                    lost.setdefault(subscription_id, moved_ms)
        return lost

    def _takes_all(self, charge_id, refund, intent):
        """A refund by the rules is of the whole purchase; one that was ruled only if everything was."""
        if self._rulings.takes_all(charge_id, refund):
            return True
        ruled = [one.amount_minor for one in self._rulings.about(charge_id)]
        by_rule = intent is not None and (
            intent.cause in ("refund_request", "fraud") or intent.cause.startswith("dispute:")
        )
        return by_rule and refund["amount"] not in ruled

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
