"""What rings for the workers, as those see it who ring; the bell itself is `runtime.queues.Wakeups`."""

from typing import Protocol


class Bell(Protocol):
    """Rings, or answers False when nothing got through; never raises."""

    def wake_events(self) -> bool:
        """Have the new rows of the inbox looked at."""

    def clear_events_flag(self) -> bool:
        """Let the next delivery ring again."""

    def wake_effect(self, job_name: str, row_id: int | str) -> bool:
        """Have one job run with the id of its row."""


class SilentBell:
    """Rings nowhere: for work in a copy of the ledger, of which no worker may hear."""

    def wake_events(self) -> bool:
        """Say that it was heard: who rings here waits for nobody."""
        return True

    def clear_events_flag(self) -> bool:
        """There is no flag."""
        return True

    def wake_effect(self, job_name: str, row_id: int | str) -> bool:  # noqa: ARG002 - Bell's signature
        """What is written in the copy is never carried out."""
        return True
