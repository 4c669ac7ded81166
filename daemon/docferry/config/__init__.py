"""
The configuration: a TOML file and environment variables become frozen options.

    options     what can be configured: a class a table, a line a key
    values, conversion_values, webhook_values
                what a single value may be
    tables      the file's tables; each checked by itself
    environment DOCFERRY_… variables, laid over the file
    credentials a file per secret
    converters  which keys each kind of converter takes
    across      what no table shows alone: references, overlaps
    rules       what rules would do to each other
    faults      what is wrong, and what would be right
    load        the whole way, from the path to the options
    source      where all that is read again from
    changes     what another configuration changes
"""

from docferry.config.faults import ConfigError, Fault
from docferry.config.load import DEFAULT_PATH, config_path, load
from docferry.config.options import (
    BUILT_IN,
    Config,
    ConvertConfig,
    ConverterConfig,
    ConverterKind,
    DropConfig,
    MirrorConfig,
    SecretStr,
    SqsConfig,
    StoreConfig,
    WebhookConfig,
)
from docferry.config.source import Reading, Source

__all__ = [
    "BUILT_IN",
    "DEFAULT_PATH",
    "Config",
    "ConfigError",
    "ConvertConfig",
    "ConverterConfig",
    "ConverterKind",
    "DropConfig",
    "Fault",
    "MirrorConfig",
    "Reading",
    "SecretStr",
    "Source",
    "SqsConfig",
    "StoreConfig",
    "WebhookConfig",
    "config_path",
    "load",
]
