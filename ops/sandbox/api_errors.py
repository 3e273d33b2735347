"""Stripe-shaped errors of the sandbox's API, one small constructor per situation.

An error body is {"error": {type, code, message, param, doc_url, …}}, as in
https://docs.stripe.com/api/errors; `code`, `param` and `doc_url` are left out when there is none.
"""

from ops.sandbox.book_tables import Json

_DOC_URL = "https://docs.stripe.com/error-codes/"


class ApiError(Exception):
    """The request is answered with an error of Stripe's shape; what it wrote is rolled back.

    `validation` marks a refusal before execution began: such an answer is never saved under an
    idempotency key.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        code: str | None,
        message: str,
        param: str | None = None,
        *,
        validation: bool = False,
        extra: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.validation = validation
        error: Json = {"type": kind, "message": message}
        if code is not None:
            error |= {"code": code, "doc_url": _DOC_URL + code.replace("_", "-")}
        if param is not None:
            error["param"] = param
        self.body: Json = {"error": error | (extra or {})}


class CardDeclined(ApiError):
    """The card was declined: answered 402, and the failed charge stays in the book."""


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400 for a request that the state of the objects does not allow."""
    return ApiError(400, "invalid_request_error", code, message, param)


def bad_parameter(message: str, param: str, code: str | None = None) -> ApiError:
    """Return a 400 for a parameter refused before execution began."""
    return ApiError(400, "invalid_request_error", code, message, param, validation=True)


def no_access(account: str) -> ApiError:
    """Return the 403 for an account that is not connected to the platform, or not any more."""
    return ApiError(
        403,
        "invalid_request_error",
        "account_invalid",
        f"The provided key does not have access to account '{account}' (or that account does not exist)."
        " Application access may have been revoked.",
    )


def missing(noun: str, object_id: str, param: str | None) -> ApiError:
    """Return the 404 for an id that the account does not have."""
    return ApiError(
        404, "invalid_request_error", "resource_missing", f"No such {noun}: '{object_id}'", param
    )


def unknown_path(method: str, path: str) -> ApiError:
    """Return the 404 for a path that the sandbox does not play."""
    message = f"Unrecognized request URL ({method}: {path})."
    return ApiError(404, "invalid_request_error", None, message, validation=True)


def unauthorized(message: str) -> ApiError:
    """Return the 401 for a missing or unusable API key."""
    return ApiError(401, "invalid_request_error", None, message, validation=True)


def key_reused(key: str) -> ApiError:
    """Return the 400 for an idempotency key that came before with other parameters."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different request."
    )
    return ApiError(400, "idempotency_error", None, message, validation=True)


def key_in_use(key: str) -> ApiError:
    """Return the 409 for a key whose first request is still being executed."""
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably "
        f"means you submitted twice, and the other request is still going through): {key}."
    )
    return ApiError(409, "idempotency_error", "idempotency_key_in_use", message, validation=True)


def rate_limited() -> ApiError:
    """Return the 429 of the limiter, which sits before the idempotency layer."""
    message = "Request rate limit exceeded."
    return ApiError(429, "invalid_request_error", "rate_limit", message, validation=True)


def server_error(status: int) -> ApiError:
    """Return a 500 or 503 from inside Stripe."""
    message = "An unknown error occurred"
    return ApiError(status, "api_error", None, message)
