"""RQ's queues, registries, jobs and workers: RQ has no console of its own. Whatever has an effect is a POST."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import or_, select
from werkzeug.wrappers import Response

from ledger.event_queries import EventFilter, list_events
from ledger.operator_tables import Role
from ledger.tables import look_ups, refund_intents
from ledger.work_counts import count_effects, count_inbox, count_notices
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import FormRefused, refusals_said
from ops.dashboard.house import now_ms, wiring, write_down
from ops.dashboard.listing import ROWS, wanted
from ops.dashboard.page_access import open_to
from ops.failure_sentences import redis_sentence
from ops.queue_readings import WORKED_BY
from ops.rq_console import (
    PLACES,
    READY,
    JobGone,
    NoSuchPlace,
    are_paused,
    cancel_job,
    counts_of,
    job_page,
    jobs_of_rows,
    oldest_ready_ms,
    one_job,
    pause_workers,
    requeue_job,
    resume_workers,
    workers_of,
)

queues: Final = Blueprint("queues", __name__, url_prefix="/queues")

_PAGES_MAX: Final = 10_000_000


@queues.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """How many jobs are where, who works, and what the rows say, which are the work."""
    here = wiring()
    with here.store.read() as connection:
        work = {
            "inbox": count_inbox(connection, now_ms()),
            "effects": count_effects(connection, now_ms()),
            "notices": count_notices(connection, now_ms()),
        }
    try:
        return render_template(
            "queues.html",
            **work,
            redis_problem="",
            counts=counts_of(here.redis),
            oldest={name: oldest_ready_ms(here.redis, name) for name in WORKED_BY},
            workers=workers_of(here.redis),
            paused=are_paused(here.redis),
            places=PLACES,
            worked_by=WORKED_BY,
        )
    except RedisError as error:
        return render_template("queues.html", **work, redis_problem=redis_sentence(error))


@queues.get("/<name>/<place>")
@open_to(Role.VIEWER)
def jobs(name: str, place: str) -> str:
    """One page of a queue or registry, by its number."""
    number = _page_number()
    try:
        page = job_page(wiring().redis, name, place, (number - 1) * ROWS, ROWS)
    except NoSuchPlace:
        abort(404)
    except RedisError as error:
        abort(503, redis_sentence(error))
    return render_template(
        "jobs.html",
        name=name,
        place=place,
        places=PLACES,
        page=page,
        number=number,
        last=max(1, -(-page.total // ROWS)),
        ready=READY,
    )


@queues.get("/search")
@open_to(Role.VIEWER)
def search() -> str:
    """The jobs about an event, a charge or a refund, or the one of a job's id."""
    text = wanted("q") or ""
    rows = _rows_about(text) if text else []
    try:
        found = jobs_of_rows(wiring().redis, rows)
        named = one_job(wiring().redis, text) if text else None
    except RedisError as error:
        abort(503, redis_sentence(error))
    return render_template(
        "job_search.html", text=text, rows=rows, jobs=[*found, *([named] if named else [])]
    )


@queues.post("/jobs/<job_id>/requeue")
@open_to(Role.OPERATOR)
def requeue(job_id: str) -> Response:
    """Put a failed job back."""
    with refusals_said():
        _do("queue.requeue", job_id)
        flash("The job is back in its queue.")
    return _back()


@queues.post("/jobs/<job_id>/cancel")
@open_to(Role.OPERATOR)
def cancel(job_id: str) -> Response:
    """Take a job out."""
    with refusals_said():
        _do("queue.cancel", job_id)
        flash("The job is cancelled. While its row is due, the sweeper rings for it again.")
    return _back()


@queues.post("/pause")
@open_to(Role.OPERATOR)
def pause() -> Response:
    """Have every worker stop, soon."""
    with refusals_said():
        _do("queue.pause", "queues")
        flash("The workers are paused. Events are still received, and nothing is lost.")
    return _back()


@queues.post("/resume")
@open_to(Role.OPERATOR)
def go_on() -> Response:
    """Let the workers go on."""
    with refusals_said():
        _do("queue.resume", "queues")
        flash("The workers go on.")
    return _back()


def _do(action: str, object_id: str) -> None:
    """Do it at Redis, and write it down first: what cannot be written down is not done."""
    redis = wiring().redis
    with wiring().store.write() as connection:
        write_down(connection, action, object_id)
        try:
            _ACTS[action](redis, object_id)
        except JobGone as gone:
            raise FormRefused(str(gone)) from None
        except RedisError as error:
            raise FormRefused(redis_sentence(error)) from None


def _pause(redis: Redis, _: str) -> None:
    pause_workers(redis)


def _resume(redis: Redis, _: str) -> None:
    resume_workers(redis)


_ACTS: Final[Mapping[str, Callable[[Redis, str], None]]] = {
    "queue.requeue": requeue_job,
    "queue.cancel": cancel_job,
    "queue.pause": _pause,
    "queue.resume": _resume,
}


def _page_number() -> int:
    text = wanted("page") or "1"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _PAGES_MAX):
        abort(400, "page must be a page's number.")
    return int(text)


def _rows_about(text: str) -> list[str]:
    """The rows that jobs may be about, of what an id names."""
    with wiring().store.read() as connection:
        objects = [text]
        objects += [
            row.object_id
            for row in list_events(connection, EventFilter(event_ids=(text,)), ROWS)
            if row.object_id
        ]
        intents = connection.execute(
            select(refund_intents.c.id).where(
                or_(refund_intents.c.charge_id.in_(objects), refund_intents.c.id == text)
            )
        ).scalars()
        asked = connection.execute(
            select(look_ups.c.id).where(look_ups.c.object_id.in_(objects))
        ).scalars()
        return [*intents, *(str(row_id) for row_id in asked)]


def _back() -> Response:
    """To the list that the form was on."""
    name, place = request.form.get("queue", ""), request.form.get("place", "")
    if name in WORKED_BY and place in PLACES:
        return redirect(url_for("queues.jobs", name=name, place=place), code=303)
    return redirect(url_for("queues.show"), code=303)
