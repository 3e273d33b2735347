"""RQ's console over a real server: exact pages, failures without secrets, requeue, cancel, pause; and Redis away."""

import pytest
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from sqlalchemy import select

from ledger.tables import audit, refund_intents
from ops.rq_console import are_paused
from runtime.queues import EFFECTS, LOOK_UP_JOB, SEND_REFUND_JOB, Wakeups
from tests.ops.dashboard.dashboard_room import text_of

SECRET = "sk_live_canary0canary0canary"
ADDRESS = "canary@example.com"


def fail(*_args):
    """A job that ends as badly as can be."""
    raise RuntimeError(f"{SECRET} of {ADDRESS} with 4242424242424242")


@pytest.fixture
def effects(queues):
    """The queue of effects."""
    return Queue(EFFECTS, connection=queues, serializer=JSONSerializer)


@pytest.fixture
def failed(effects, queues):
    """A job that failed in a worker, with everything secret in its arguments and its error."""
    job = effects.enqueue_call(f"{__name__}.fail", args=(SECRET, ADDRESS))
    assert queues.lpop(effects.key)
    worker = Worker([effects], connection=queues, serializer=JSONSerializer)
    registry = FailedJobRegistry(queue=effects)
    try:
        fail()
    except RuntimeError as error:
        text = f"Traceback\n  somewhere\nRuntimeError: {error}"
    job.ended_at = job.enqueued_at
    worker.handle_job_failure(job, effects, exc_string=text)
    assert [job.id] == registry.get_job_ids()
    return job


def test_a_failed_job_tells_no_secret(room, failed):
    """Neither its arguments nor its error show what nobody may see."""
    operator = room.browser("operator")
    page = operator.get("/queues/effects/failed")

    assert failed.id in page.text
    assert "Requeue" in page.text
    assert "hidden: no function of ours" in page.text
    for canary in (SECRET, ADDRESS, "4242424242424242"):
        assert canary not in page.text


def test_requeue(room, failed, effects):
    """A failed job goes back into its queue once, and who did it is written down."""
    operator = room.browser("operator", "ada")
    operator.post(f"/queues/jobs/{failed.id}/requeue", {"queue": "effects", "place": "failed"})
    assert [failed.id] == effects.get_job_ids()

    operator.post(f"/queues/jobs/{failed.id}/requeue")
    assert [failed.id] == effects.get_job_ids()
    with room.people.read() as connection:
        done = connection.execute(
            select(audit.c.object, audit.c.actor).where(audit.c.action == "queue.requeue")
        ).all()
    assert [(failed.id, "ada")] == [tuple(row) for row in done]


def test_cancel(room, effects, queues):
    """A job that waits is taken out; one that is gone, or was cancelled, is told so."""
    Wakeups(queues).wake_effect(LOOK_UP_JOB, 7)
    [job_id] = effects.get_job_ids()
    operator = room.browser("operator")
    assert "Cancel" in operator.get("/queues/effects/ready").text

    for _ in range(2):
        assert 303 == operator.post(f"/queues/jobs/{job_id}/cancel").status_code
    assert 303 == operator.post("/queues/jobs/none/cancel").status_code

    assert [] == effects.get_job_ids()
    assert (
        "canceled" == Job.fetch(job_id, connection=queues, serializer=JSONSerializer).get_status()
    )


def test_pause(room, queues):
    """One click stops all workers, another lets them go on."""
    operator = room.browser("operator")
    operator.post("/queues/pause")
    assert are_paused(queues)
    assert "The workers are paused" in text_of(operator.get("/queues"))
    operator.post("/queues/resume")
    assert not are_paused(queues)


def test_search_by_charge(room, queues):
    """The jobs about a payment are found by its charge and by its refund."""
    with room.people.read() as connection:
        intent = connection.execute(select(refund_intents)).first()
    Wakeups(queues).wake_effect(SEND_REFUND_JOB, intent.id)
    viewer = room.browser("viewer")
    for text in (intent.charge_id, intent.id):
        said = text_of(viewer.get(f"/queues/search?q={text}"))
        assert f"send refund {intent.id}" in said


def test_counts(room, queues):
    """What waits, by queue and place, with the age of the oldest."""
    bell = Wakeups(queues)
    for row in range(3):
        bell.wake_effect(LOOK_UP_JOB, row)
    bell.wake_events()

    said = text_of(room.browser("viewer").get("/queues"))

    assert "events 1 0 0 0 0 0 0" in said
    assert "effects 3 0 0 0 0 0 0" in said


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_redis_away(empty_room):
    """The rows are told all the same; jobs cannot be, and what cannot be done is not written down."""
    operator = empty_room.browser("operator")
    assert "Nothing is lost" in text_of(operator.get("/queues"))
    assert 503 == operator.get("/queues/events/ready").status_code
    assert 303 == operator.post("/queues/pause").status_code
    with empty_room.people.read() as connection:
        assert connection.execute(select(audit).where(audit.c.action == "queue.pause")).all() == []
