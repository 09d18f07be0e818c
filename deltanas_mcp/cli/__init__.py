"""The command line: parse, call one function, print. Nothing heavy is imported for ``--help``."""

from deltanas_mcp.cli import health, operations, queries, runs, stores, training
from deltanas_mcp.cli.app import app

__all__ = ["app", "main"]

for module in (stores, queries, operations, training, runs, health):
    module.register(app)


def main() -> None:
    """Run the command line; the entry point of ``deltanas``."""
    app(prog_name="deltanas")
