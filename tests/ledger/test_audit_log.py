"""The audit log tells who did what to an object, oldest first."""

from ledger.audit_log import entries_about, record
from tests.fakes.frozen_clock import NOON_MS


def test_entries(store):
    """The newest entries about one object are read oldest first, up to the number asked for."""
    with store.write() as connection:
        for step in range(5):
            for object_id in ("evt_1", "evt_2"):
                record(
                    connection,
                    at_ms=NOON_MS + step,
                    actor="ada",
                    action="events.replay",
                    object_id=object_id,
                    result="done",
                    origin="cli",
                    detail=None if step else "first",
                )

        assert [NOON_MS + step for step in (2, 3, 4)] == [
            row.at_ms for row in entries_about(connection, "evt_1", 3)
        ]
        first = entries_about(connection, "evt_2")[0]
        assert ("ada", "events.replay", "evt_2", "done", "cli", "first") == (
            first.actor,
            first.action,
            first.object,
            first.result,
            first.origin,
            first.detail,
        )
        assert [] == entries_about(connection, "evt_3")
