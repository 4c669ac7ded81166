"""The chains of converters that the rules of a configuration name."""

from __future__ import annotations

from dataclasses import dataclass, field

from docferry.app.converters import make_converter
from docferry.config import Config, ConvertConfig
from docferry.convert.base import Converter, Limits
from docferry.core.filters import Filter
from docferry.core.rules import Rule, recipe_for
from docferry.engine.worker_chain import Conversion
from docferry.errors import UserError


@dataclass(frozen=True, slots=True)
class Chains:
    """
    What the rules of a configuration come to.

    Args:
        conversions: By rule's name.
        broken: Why a converter cannot be had, by its name.
        paused: Rules that wait for one of them, by name.
    """

    conversions: dict[str, Conversion] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)  #: with the reason

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(conversion.rule for conversion in self.conversions.values())


def chains_of(config: Config) -> Chains:
    """Build what the rules name. What cannot be had pauses its rules, and no others."""
    made: dict[str, Converter] = {}
    chains = Chains()
    for options in config.converts:
        for name in options.chain:
            if name in made or name in chains.broken:
                continue
            try:
                made[name] = make_converter(config, name)
            except UserError as error:
                chains.broken[name] = str(error)
        missing = [name for name in options.chain if name in chains.broken]
        if missing:
            chains.paused[options.name] = chains.broken[missing[0]]
        else:
            chain = tuple(made[name] for name in options.chain)
            chains.conversions[options.name] = _conversion(options, chain)
    return chains


def rules_of(config: Config) -> tuple[Rule, ...]:
    """Give the rules of the configuration, but for those whose converters cannot be had."""
    return chains_of(config).rules


def _conversion(options: ConvertConfig, chain: tuple[Converter, ...]) -> Conversion:
    rule = Rule(
        name=options.name,
        from_mirror=options.from_mirror,
        patterns=Filter(options.patterns, ()),
        to_mirror=options.to_mirror,
        converter=options.converter,
        extension=chain[-1].produces,
        recipe=recipe_for([converter.recipe() for converter in chain]),
        template=options.template,
        smallest=options.smallest,
        largest=options.largest,
        waits_s=options.waits_s,
        types=options.types,
    )
    limits = Limits(
        timeout_s=options.timeout_s,
        memory_mib=options.memory_mib,
        output_mib=options.output_mib,
    )
    return Conversion(rule, chain, limits, options.attempts)
