"""Asking a customer for more: once for each question, only where somebody can be asked and told."""

import pytest
from sqlalchemy import update

from ledger.notice_tables import notices
from ledger.request_tables import refund_requests
from ledger.tables import cases
from policy.rulings import RulingRefused
from tests.fakes.pack_shop import EMAIL
from workers.case_following import Desk
from workers.case_questions import ask_customer
from workers.terms_book import TermsBook

QUESTION = "Which pictures failed?"


@pytest.fixture
def waiting(shop):
    """A case that a request is about and that waits for a person."""
    charge, _ = shop.buy()
    shop.ask(charge)
    shop.settle(60)
    with shop.store.write() as connection:
        connection.execute(update(cases).values(state="review"))
    return shop.case().case_id


def ask(shop, case_id, asked=1):
    """Ask; the notice's row."""
    with shop.store.write() as connection:
        desk = Desk(connection=connection, settings=shop.settings, now_ms=shop.clock.now_ms())
        return ask_customer(desk, TermsBook(), case_id, QUESTION, asked)


def test_the_question_is_an_email(shop, waiting):
    """The customer is asked in the person's words, at the address of the request; the same question once."""
    before = len(shop.rows(notices))

    assert ask(shop, waiting) is not None
    assert ask(shop, waiting) is None
    assert ask(shop, waiting, asked=2) is not None

    made = shop.rows(notices)[before:]
    assert [EMAIL] * 2 == [row.recipient for row in made]
    assert all(QUESTION in row.content for row in made)
    assert {str(waiting)} == {row.subject_id for row in made}


def test_who_cannot_be_asked(shop, waiting):
    """Nobody is asked about a case that is decided, or where the address was erased, or in observe mode."""
    with shop.store.write() as connection:
        connection.execute(update(cases).values(state="closed"))
    with pytest.raises(RulingRefused, match="the case is closed"):
        ask(shop, waiting)
    with shop.store.write() as connection:
        connection.execute(update(cases).values(state="review"))
    shop.change_settings(REDRESS_MODE="observe")
    with pytest.raises(RulingRefused, match="observe"):
        ask(shop, waiting)
    shop.change_settings(REDRESS_MODE="enforce")
    with shop.store.write() as connection:
        connection.execute(update(refund_requests).values(email=None))
    with pytest.raises(RulingRefused, match="nobody can be asked"):
        ask(shop, waiting)
    with pytest.raises(RulingRefused, match="nobody can be asked"):
        ask(shop, 999)
