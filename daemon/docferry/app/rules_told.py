"""The rules of the configuration, for who only looks: without their converters."""

from __future__ import annotations

from docferry.config import Config, ConvertConfig
from docferry.core.filters import Filter
from docferry.core.rules import Rule


def shapes_of(config: Config) -> tuple[Rule, ...]:
    """Give what rules take and where results go. None has a recipe: no converter is made."""
    return tuple(_shape(config, options) for options in config.converts)


def _shape(config: Config, options: ConvertConfig) -> Rule:
    return Rule(
        name=options.name,
        from_mirror=options.from_mirror,
        patterns=Filter(options.patterns),
        to_mirror=options.to_mirror,
        converter=options.converter,
        extension=config.converters[options.chain[-1]].produces,
        recipe="",
        template=options.template,
        smallest=options.smallest,
        largest=options.largest,
        waits_s=options.waits_s,
        types=options.types,
    )
