"""Structured logs: one JSON object a line, with the request's or the job's id."""

import logging
import sys

import structlog

from portal.core import card_numbers


def configure(level: str) -> None:
    """Send every log of this process to standard error as JSON lines; a second call changes only the level."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_card_numbers,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "of_portal", False)]:
        root.removeHandler(old)
    handler.of_portal = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    # Stripe's SDK logs request parameters at INFO; they may hold personal data.
    logging.getLogger("stripe").setLevel(logging.WARNING)


def _without_card_numbers(
    _logger: structlog.types.WrappedLogger, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """What strangers send may be logged before it is refused: an address that they asked for, the text of an error."""
    return {name: card_numbers.masked(value) if isinstance(value, str) else value for name, value in event.items()}
