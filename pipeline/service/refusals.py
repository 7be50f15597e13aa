"""What a refusal says: one sentence that its status chose, and a code with what must hold."""

import json

from models.serving.serving import Reason

HOW = (
    'send application/json {"dataframe_records": [{"input": value, ...}, ...]} or {"dataframe_split": '
    '{"columns": [...], "data": [[...], ...]}}, or text/csv with a heading, every name once; "params": '
    '{"explain": true, "units": {"input": unit}} are the parameters'
)
PLACES = "POST rows to /invocations; GET /health, /ready, /metrics, /schema.json, /openapi.json"
MESSAGES = {
    400: f"The request is not a table of rows: {HOW}.",
    401: "This service asks for a bearer token, and for a valid one.",
    404: f"This address does not exist: {PLACES}.",
    405: f"This address does not take this method: {PLACES}.",
    408: "The request came too slowly.",
    413: "The request is beyond the limits of this service (/schema.json has them): send fewer rows at once.",
    415: f"The content type is not supported: {HOW}.",
    429: "Too many requests: come back later.",
    500: "The server failed, not the request: please tell its operator.",
    503: "The service is starting, or a worker cannot load the model: start the service again.",
}
CODES = {
    401: "no_token", 404: "unknown_address", 405: "unknown_method", 408: "too_slow", 429: "too_many_requests",
    500: "fault", 503: "starting",
}  # fmt: skip
"""What stands as the code of a refusal that has no reason of its own."""


def reason_of(status: int) -> Reason:
    """Return the reason of a refusal that has none of its own."""
    return {"code": CODES.get(status, "not_a_table"), "input": None, "rule": ""}


def told(status: int, reason: Reason) -> bytes:
    """Return the body of a refusal."""
    return json.dumps({"error": MESSAGES[status], "status": status, "reasons": [reason]}).encode()
