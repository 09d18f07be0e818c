"""The entry point of ``deltanas-mcp``: the server on stdin and stdout."""

import argparse
import logging
import os
import sys
from pathlib import Path

from deltanas_mcp.server import build_server
from deltanas_mcp.wiring import create_store, open_workbench
from deltanas_repo_store.errors import DeltaNasError


def serve_stdio(store: Path) -> None:
    """Serve the store at ``store`` until the client hangs up.

    Raises:
        StoreError: there is no store of ours at ``store``.
    """
    with open_workbench(store) as bench:
        build_server(bench).run("stdio")


def main() -> None:
    """Parse the command line of an MCP host, and serve."""
    parser = argparse.ArgumentParser(
        prog="deltanas-mcp",
        description="MCP server for a DeltaNAS store, on stdin and stdout.",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=os.environ.get("DELTANAS_STORE"),
        help="the git repository that holds the search; default: $DELTANAS_STORE",
    )
    parser.add_argument(
        "--init", action="store_true", help="make the store, with baselines, if there is none"
    )
    options = parser.parse_args()
    # stdout is the protocol.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    if options.store is None:
        parser.error("give --store PATH or set DELTANAS_STORE")
    store = Path(options.store)
    try:
        if options.init and not store.exists():
            create_store(store)
        serve_stdio(store)
    except DeltaNasError as error:
        sys.stderr.write(f"deltanas-mcp: {error}\n")
        sys.exit(1)
