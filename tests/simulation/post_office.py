"""Where notices go: a mail server and the product's endpoint, each with bad days of its own.

What either of them took is written down with what the notice's row said at that moment. Half of the answers
that are lost belong to something that was taken, half to something that never arrived.
"""

import hashlib
from dataclasses import dataclass

from ledger.notice_tables import NoticeChannel
from runtime.email_addresses import Mailbox
from workers.carrier_errors import AnswerLost, Declined, Deferred, Refused, Unreachable
from workers.mail_message import mail_message
from workers.notice_carriers import Carriers
from workers.product_webhook import webhook_body

_SENDER = Mailbox(name="Shop", address="refunds@shop.example")
_ROW = "SELECT key, state, doubtful_sends FROM notices WHERE id = ?"
#: Making an e-mail costs more than all else about it: one world in so many does.
_REAL_MAILS_EVERY = 8
#: Of what was handed over and whose answer was lost.
_ARRIVES = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One message that the other side took; `digest` stands for its bytes."""

    row_id: int
    channel: NoticeChannel
    digest: str


class PostOffice:
    """Both other sides of one world. `bad` is the share of tries that go wrong, `ways` in which ways."""

    def __init__(self, world):
        self.world = world
        self.taken = []
        self.bad, self.ways = world.swarm.post
        self.carriers = Carriers(
            email=_OtherSide(self, NoticeChannel.EMAIL),
            webhook=_OtherSide(self, NoticeChannel.WEBHOOK),
        )

    def heal(self):
        """Both take everything from now on."""
        self.bad = 0.0

    def trouble(self):
        """What goes wrong with this try; None when nothing does."""
        rng = self.world.stream("post")
        return rng.choice(self.ways) if self.bad and rng.random() < self.bad else None

    def takes(self, notice):
        """Something arrives: its row must have said before that it may."""
        row = self.world.store.raw.execute(_ROW, (notice.row_id,)).fetchone()
        if row is None or row[0] != notice.key:
            self.world.violation("I6", f"notice {notice.key} left without a row")
        elif row[1] != "sending" and not row[2]:
            self.world.violation("I6", f"notice {notice.key} left while its row said {row[1]}")
        self.taken.append(
            Taken(row_id=notice.row_id, channel=notice.channel, digest=self._digest(notice))
        )

    def _digest(self, notice):
        content = f"{notice.key} {notice.content}".encode()
        if self.world.swarm.seed % _REAL_MAILS_EVERY == 0:
            is_mail = notice.channel is NoticeChannel.EMAIL
            made = mail_message(notice, _SENDER).as_bytes() if is_mail else None
            content = made or webhook_body(notice).encode()
        return hashlib.sha256(content).hexdigest()


class _OtherSide:
    """One channel's carrier."""

    def __init__(self, office, channel):
        self._office = office
        self._channel = channel

    def carry(self, notice, leaving):
        """Hand one notice over as `workers.notice_carriers.Carrier` says."""
        world, trouble = self._office.world, self._office.trouble()
        if trouble is not None:
            world.struck(f"post {trouble}")
        self._before(trouble)
        leaving()
        if trouble in ("later", "refused"):
            raise Deferred("busy") if trouble == "later" else self._no()
        if trouble != "lost" or world.stream("post").random() < _ARRIVES:
            self._office.takes(notice)
        world.boundary("post.taken")
        self._after(trouble)
        return "taken"

    def _before(self, trouble):
        if trouble == "away":
            raise Unreachable("not there")
        if trouble == "breaks before":
            raise ArithmeticError("a defect before anything left")

    def _after(self, trouble):
        if trouble == "lost":
            raise AnswerLost("cut off")
        if trouble == "breaks after":
            raise ArithmeticError("a defect when it was gone")

    def _no(self):
        is_mail = self._channel is NoticeChannel.EMAIL
        return Refused("no such box") if is_mail else Declined("not this one")
