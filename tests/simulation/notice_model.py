"""What the other sides were sent, against what the notices' rows say of it."""

from collections import defaultdict

from ledger.notice_tables import NoticeChannel
from runtime.limits import DOUBTFUL_SENDS_MAX

_ROWS = "SELECT id, key, channel, state, doubtful_sends FROM notices"


class NoticeModel:
    """Judges one world: each notice arrived, and twice only where an answer was lost and its row says so."""

    def __init__(self, world):
        self._world = world

    def check(self):
        """Report notices that did not arrive, that arrived too often, or in other words than before."""
        arrived = defaultdict(list)
        for one in self._world.post.taken:
            arrived[one.row_id].append(one.digest)
        retried = self._retried()
        for row_id, key, channel, state, doubtful_sends in self._world.store.raw.execute(_ROWS):
            digests = arrived.pop(row_id, [])
            if state != "sent" or not digests:
                self._breach("I2", f"notice {key} is {state} and arrived {len(digests)} times")
            if len(set(digests)) > 1:
                self._breach("notices", f"notice {key} arrived in several wordings")
            if len(digests) > doubtful_sends + 1:
                self._breach(
                    "notices", f"{key} arrived {len(digests)} times, {doubtful_sends} in doubt"
                )
            most = DOUBTFUL_SENDS_MAX + retried[row_id]
            if channel == NoticeChannel.EMAIL and doubtful_sends > most:
                self._breach("notices", f"e-mail {key} was sent in doubt {doubtful_sends} times")
        if arrived:
            self._breach("I6", f"arrived and not written down: notices {sorted(arrived)}")

    def _retried(self):
        found = defaultdict(int)
        query = "SELECT object FROM audit WHERE action = 'notice.retry'"
        for (name,) in self._world.store.raw.execute(query):
            found[int(name.removeprefix("notice:"))] += 1
        return found

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
