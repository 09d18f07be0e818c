"""What transformers raises and prints while it reads a model."""

from collections.abc import Generator
from contextlib import contextmanager

from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

READING = (
    OSError,  # also what it raises for a model that is not on the hub, or a hub out of reach
    ValueError,
    RuntimeError,
    LookupError,
    AttributeError,
    TypeError,
    ImportError,
    SafetensorError,
    TemplateError,
)
"""For files that are missing, damaged or of an unknown kind, transformers raises any of these."""


@contextmanager
def quietly() -> Generator[None]:
    """Keep transformers' progress bars off the terminal while the block runs."""
    was_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            transformers_logging.enable_progress_bar()
