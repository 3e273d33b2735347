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
