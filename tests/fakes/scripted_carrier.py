"""A carrier that does what a script says, try by try, and keeps what it took."""

from collections.abc import Callable

from ledger.notices import Notice
from workers.carrier_errors import AnswerLost, CarrierError
from workers.notice_carriers import Carriers


class ScriptedCarrier:
    """Each try takes the next of `script` (an error to raise, or None to take the notice); then all is taken.

    An AnswerLost, or any error that is no carrier's, comes after the notice has left.
    """

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.taken: list[str] = []
        self.tries: list[str] = []

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:
        """One try."""
        self.tries.append(notice.key)
        error = self.script.pop(0) if self.script else None
        if isinstance(error, CarrierError) and not isinstance(error, AnswerLost):
            raise error
        leaving()
        self.taken.append(notice.key)
        if error is not None:
            raise error
        return "taken"


def scripted(email: ScriptedCarrier | None = None, webhook: ScriptedCarrier | None = None):
    """Carriers for both channels; one that is not given takes everything."""
    return Carriers(email=email or ScriptedCarrier(), webhook=webhook or ScriptedCarrier())
