"""Whatever is sent to the product API, no answer is a 5xx and none is missing from its document."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ledger.api_tokens import create_token
from ledger.engine import Store
from ledger.schema import migrate
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.webhooks.test_product_api import Bells
from webhooks.api_door import DOCUMENT_PATH
from webhooks.app import create_app
from webhooks.product_api import ProductApi

CALLS_EACH = 40
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One ledger for all calls: they may meet what others left."""
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('api')}/redress.db")
    migrate(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def headers(store):
    """What a caller with a token sends."""
    with store.write() as connection:
        token = create_token(connection, "product", NOON_MS)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def api_schema(store):
    """The API by its own document, called without a network."""
    api = ProductApi(store=store, clock=FrozenClock(), wakeups=Bells())
    return schemathesis.openapi.from_wsgi(DOCUMENT_PATH, create_app({}, None, api))


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_documented(api_schema, headers, mode):
    """Calls that fit the document and calls that do not, made from the document itself."""
    for found in api_schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=CALLS_EACH,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case):
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)

        call()
