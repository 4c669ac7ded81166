"""What it means for a job that a converter has failed with an exception."""

from __future__ import annotations

from docferry.convert.base import ConversionError, ConverterDownError
from docferry.core.failures import Failed
from docferry.errors import DocferryError, UserError
from docferry.model import Failure


def failed_converting(error: DocferryError) -> Failed:
    """Classify what a converter failed with."""
    match error:
        case ConversionError():
            return Failed(error.failure, str(error), error.output)
        case ConverterDownError():
            return Failed(
                Failure.OUTAGE,
                str(error),
                error.output,
                retry_after_s=error.retry_after_s,
                is_in_doubt=error.is_in_doubt,
            )
        case UserError():
            return Failed(Failure.CONFIGURATION, str(error))
        case _:
            return Failed(Failure.OTHER, str(error))
