"""The command line: parse, call one function, print. Nothing heavy is imported for ``--help``."""

from deltanas_mcp.cli import (
    adapters,
    corpus,
    health,
    imports,
    jobs,
    models,
    operations,
    queries,
    rates,
    report,
    runs,
    sharing,
    stores,
    studies,
    tracking,
    training,
    upkeep,
    watching,
)
from deltanas_mcp.cli.app import app

__all__ = ["app", "main"]

for module in (
    stores,
    imports,
    queries,
    operations,
    training,
    runs,
    watching,
    rates,
    studies,
    report,
    tracking,
    corpus,
    models,
    adapters,
    jobs,
    sharing,
    upkeep,
    health,
):
    module.register(app)


def main() -> None:
    """Run the command line; the entry point of ``deltanas``."""
    app(prog_name="deltanas")
