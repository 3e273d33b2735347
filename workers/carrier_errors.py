"""What can go wrong when a notice is taken out, sorted by what must be done next.

CarrierError
  Refused       the other side will never take it: a person acts
  Declined      the other side does not take it as things stand: a few more tries, then a person
  Deferred      the other side wants it later
  Unreachable   nothing left, and nothing else would now: the whole channel is left alone for a while
  AnswerLost    it left and no answer came: it may have arrived

The texts go into the ledger: they name codes and errors' classes, never an address or a server's words,
which often repeat the address.
"""


class CarrierError(Exception):
    """A notice was not taken, or not surely. The text says why, without personal data."""


class Refused(CarrierError):
    """The other side refused it for good."""


class Declined(CarrierError):
    """The other side does not take it as it is set up now."""


class Deferred(CarrierError):
    """The other side wants it later."""


class Unreachable(CarrierError):
    """The other side was not reached, and nothing left."""


class AnswerLost(CarrierError):
    """It left, and no answer came back."""
