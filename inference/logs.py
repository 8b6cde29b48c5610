"""The log: a JSON object a line, which CloudWatch Logs can query."""

from __future__ import annotations

import json
import logging
import sys


class JsonFormatter(logging.Formatter):
    """Level, logger and message; `extra={"figures": {...}}` adds fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        fields |= getattr(record, "figures", {})
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure() -> None:
    """Have all loggers write to standard output; libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("inference").setLevel(logging.INFO)
