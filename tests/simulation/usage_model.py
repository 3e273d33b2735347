"""What was used, restored and left, worked out from the entries one by one, against what they say themselves.

It is a second way to the same sums: each report is drawn from the grants as the rules have it, in the order in
which the ledger wrote them, and has to come out as the ledger drew it.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby

_ENTRIES = """
    SELECT id, key, customer_id, kind, grant_id, credits, covers, at, expires_at, recorded_ms
    FROM credit_entries ORDER BY id
"""
_GRACE_SECONDS = 3600
#: Clocks that jump by an hour or are wrong by minutes write off what ended so much too early.
_WRONG_CLOCKS_SECONDS = 3 * 3600 + 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger's."""

    id: int
    key: str
    customer_id: str
    kind: str
    grant_id: int | None
    credits: int
    covers: int | None
    at: int
    expires_at: int | None
    recorded_ms: int

    @property
    def act(self):
        """What was written together: one report, all that one grant covered, or this entry alone."""
        if self.kind == "usage":
            return self.kind, self.key
        return self.kind, self.grant_id if self.kind == "cover" else self.id


@dataclass(slots=True, kw_only=True)
class Account:
    """One customer's grants (what is left of each), and what was used and nothing covers."""

    grants: dict = field(default_factory=dict)
    left: dict = field(default_factory=dict)
    open: dict = field(default_factory=dict)
    covers_due: list = field(default_factory=list)

    def drawn(self, wanted, at):
        """What a usage takes of each grant, and of none: [(grant id, credits)]."""
        found = []
        for grant in sorted(self.grants.values(), key=_order):
            some = min(wanted, self.left[grant.id]) if _valid(grant, at) else 0
            if some:
                found.append((grant.id, some))
                wanted -= some
        return [*found, (None, wanted)] if wanted else found

    def covered_by(self, grant):
        """What a new grant takes over of the usages that nothing covers: [(usage's entry, credits)]."""
        found, left = [], grant.credits
        for usage_id, (at, wanted) in sorted(
            self.open.items(), key=lambda item: (item[1][0], item[0])
        ):
            some = min(left, wanted) if _valid(grant, at) else 0
            if some:
                found.append((usage_id, some))
                left -= some
        return found


class UsageModel:
    """Judges one world in which something was used or restored."""

    def __init__(self, world):
        self._world = world
        self._accounts = defaultdict(Account)

    def check(self):
        """Report what was counted twice or not at all, drawn wrongly, or left beyond its time."""
        shop, product = self._world.shop, self._world.product
        if not (product.used or shop.restored):
            return
        entries = [
            Entry(**dict(zip(Entry.__slots__, row, strict=True)))
            for row in self._world.store.raw.execute(_ENTRIES)
        ]
        used = {key: one.credits for key, one in product.used.items()}
        self._once(entries, "usage", used)
        self._once(entries, "restore", {key: one.credits for key, one in shop.restored.items()})
        for (kind, _), rows in groupby(entries, key=lambda one: one.act):
            self._follow(kind, list(rows))
        now = self._world.scheduler.now_ms // 1000
        for account in self._accounts.values():
            self._at_rest(account, now)

    def _once(self, entries, prefix, told):
        """Each key counts once, with what was told under it."""
        counted = defaultdict(int)
        for one in entries:
            if one.key.startswith(f"{prefix}:"):
                counted[one.key.removeprefix(f"{prefix}:")] += abs(one.credits)
        if counted != told:
            wrong = sorted(set(counted.items()) ^ set(told.items()))
            self._breach(f"{prefix}: told and counted differ: {wrong[:4]}")

    def _follow(self, kind, rows):
        account = self._accounts[rows[0].customer_id]
        if kind != "cover" and account.covers_due:
            self._breach(f"not covered by the grant that came: {account.covers_due}")
            account.covers_due = []
        if rows[0].grant_id is None and rows[0].credits > 0:
            account.grants[rows[0].id] = rows[0]
            account.left[rows[0].id] = rows[0].credits
            account.covers_due = account.covered_by(rows[0])
        elif kind == "usage":
            self._usage(account, rows)
        elif kind == "cover":
            self._cover(account, rows)
        else:
            self._draw(account, rows[0], whole=kind in ("expiry", "revocation"))

    def _usage(self, account, rows):
        drawn = [(one.grant_id, -one.credits) for one in rows]
        wanted = account.drawn(-sum(one.credits for one in rows), rows[0].at)
        if drawn != wanted:
            self._breach(f"{rows[0].key} was drawn as {drawn}, not as {wanted}")
        for one in rows:
            if one.grant_id is None:
                account.open[one.id] = one.at, -one.credits
            else:
                account.left[one.grant_id] += one.credits

    def _cover(self, account, rows):
        covered = [(one.covers, -one.credits) for one in rows]
        if covered != account.covers_due:
            self._breach(f"covered {covered}, not {account.covers_due}")
        account.covers_due = []
        for one in rows:
            at, wanted = account.open[one.covers]
            account.open[one.covers] = at, wanted + one.credits
            account.left[one.grant_id] += one.credits

    def _draw(self, account, one, *, whole):
        account.left[one.grant_id] += one.credits
        if whole and account.left[one.grant_id]:
            self._breach(f"{one.kind} {one.key} left {account.left[one.grant_id]} credits")
        ended_at = account.grants[one.grant_id].expires_at
        if (
            one.kind == "expiry"
            and one.recorded_ms // 1000 < ended_at + _GRACE_SECONDS - _WRONG_CLOCKS_SECONDS
        ):
            self._breach(f"{one.key} was written off before its end")
        if account.left[one.grant_id] > account.grants[one.grant_id].credits:
            self._breach(f"{one.key} gave more back than was used")

    def _at_rest(self, account, now):
        if account.covers_due or any(left < 0 for left in account.left.values()):
            self._breach(f"left {account.left}, to be covered {account.covers_due}")
        for grant in account.grants.values():
            over = grant.expires_at is not None and grant.expires_at + _GRACE_SECONDS < now
            if over and account.left[grant.id]:
                self._breach(f"grant {grant.id} ended and has {account.left[grant.id]} credits")

    def _breach(self, sentence):
        self._world.violation("credits", f"model: {sentence}")


def _valid(grant, at):
    return grant.at <= at and (grant.expires_at is None or at < grant.expires_at)


def _order(grant):
    return grant.expires_at is None, grant.expires_at or 0, grant.at, grant.id
