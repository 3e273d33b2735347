"""The JSON Schema of a request's facts says what the policy accepts, no more and no less."""

import copy
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ops.facts_schema import request_schema
from policy.checks import MalformedFactError
from policy.invoice_taking import EarlierInvoice, InvoiceTaking
from policy.payments import InvoiceFacts, Payment, SubscriptionFacts, payment_to_json
from policy.request_facts import RequestFacts, request_from_json, request_to_json
from tests.policy.payment_histories import load_corpus
from tests.policy.refund_requests import UNKNOWABLE
from tests.policy.test_request_properties import requests

VALIDATOR = Draft202012Validator(request_schema())
PAYMENTS = [paid for history in load_corpus() for paid in history.payments]
#: What a schema cannot say: that one number must not exceed another.
CONTRADICTIONS = ("at most", "before the purchase")
WRONG = [-1, 0, 1, 10**20, 1.5, "", "x", "usd", "usd\n", "USD", True, False, None, [], {}, ["x"], ["reason"] * 2]  # fmt: skip


def objects(value, path=()):
    """The paths of all objects within a JSON value."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


@st.composite
def written_requests(draw):
    """The JSON of a request's facts, some of them unknown, with a payment of any kind."""
    facts = draw(requests())
    unknown = draw(st.sets(st.sampled_from(sorted(UNKNOWABLE))))
    written = request_to_json(replace(facts, **dict.fromkeys(unknown)))
    if draw(st.booleans()):
        paid = payment_to_json(draw(st.sampled_from(PAYMENTS)))
        written["payment"] = paid | {"captured_minor": written["payment"]["captured_minor"]}
        written["asked_at"] = max(written["asked_at"], paid["created"])
    return written


@st.composite
def spoilt_requests(draw):
    """The same with one key taken away, added, or given another value."""
    spoilt = copy.deepcopy(draw(written_requests()))
    target = at(spoilt, draw(st.sampled_from(list(objects(spoilt)))))
    how = draw(st.sampled_from(["take", "add", "other", "other", "other"]))
    key = draw(st.sampled_from(sorted(target)))
    if how == "take":
        del target[key]
    else:
        target["more" if how == "add" else key] = draw(st.sampled_from(WRONG))
    return spoilt


def test_the_schema_is_one():
    """It is a valid schema of draft 2020-12 and names it."""
    schema = request_schema()

    Draft202012Validator.check_schema(schema)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]


def properties(schema):
    """Every described property of a schema, those of the objects within it included."""
    for key, part in schema["properties"].items():
        yield key, part
        for record in (part, part.get("items", {})):
            if "properties" in record:
                yield from properties(record)


def test_every_key_is_described():
    """Each key says what it holds, and money and time in which unit."""
    found = [(key, part["description"]) for key, part in properties(request_schema())]
    units = {"_minor": "minor units", "_seconds": "seconds", "_at": "unix seconds"}
    silent = [
        key
        for key, said in found
        for ending, unit in units.items()
        if key.endswith(ending) and unit not in said
    ]
    records = (
        *(RequestFacts, Payment, InvoiceFacts, SubscriptionFacts),
        *(InvoiceTaking, EarlierInvoice),
    )

    assert sum(len(fields(record)) for record in records) == len(found)
    assert [] == silent


@given(written_requests())
def test_what_the_policy_writes_is_valid(written):
    """Facts that the policy wrote down fit the schema."""
    assert [] == [error.message for error in VALIDATOR.iter_errors(written)]


@given(spoilt_requests())
def test_schema_and_policy_refuse_the_same(spoilt):
    """The policy refuses what the schema refuses, and beyond that only what contradicts itself."""
    if not VALIDATOR.is_valid(spoilt):
        with pytest.raises(ValueError, match=r"\w"):
            request_from_json(spoilt)
        return
    try:
        request_from_json(spoilt)
    except MalformedFactError as refused:
        assert any(words in str(refused) for words in CONTRADICTIONS)  # noqa: PT017 -- most pass
