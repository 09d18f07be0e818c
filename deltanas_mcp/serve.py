"""The entry point of ``deltanas-mcp``: the server on stdin and stdout, or over HTTP.

On stdio nothing but the protocol may reach stdout, and some clients wait ten seconds for the first
answer: what is imported here is what every server needs.
"""

import argparse
import logging
import os
import sys
from collections.abc import MutableMapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from deltanas_mcp.server import ServerSettings, build_server
from deltanas_repo_store.errors import ConfigError, DeltaNasError, StoreError

if TYPE_CHECKING:
    from deltanas_mcp.http.settings import HttpSettings
    from deltanas_mcp.http.tokens import Token

TOKEN_VARIABLE = "DELTANAS_HTTP_TOKEN"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says; one sentence and exit code 1 where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="deltanas-mcp",
        description="MCP server for a DeltaNAS store, on stdin and stdout or over HTTP.",
    )
    _add_options(parser)
    for_http = _add_http_options(parser.add_argument_group("HTTP"))
    options = parser.parse_args(arguments)
    if options.store is None:
        parser.error("give --store PATH or set DELTANAS_STORE")
    given = [each for each in for_http if getattr(options, each.dest) != each.default]
    if given and not options.http:
        parser.error(f"{given[0].option_strings[0]} goes with --http")
    # stdout is the protocol.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        settings = _settings(options)
        _find_or_make(settings.store, make=options.init)
        if options.http:
            _serve_http(settings, options, os.environ)
        else:
            build_server(settings).run("stdio")
    except DeltaNasError as error:
        sys.stderr.write(f"deltanas-mcp: {error}\n")
        sys.exit(1)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=version("deltanas-mcp"))
    parser.add_argument(
        "--store",
        type=Path,
        default=os.environ.get("DELTANAS_STORE"),
        help="the git repository that holds the search; default: $DELTANAS_STORE",
    )
    parser.add_argument(
        "--init", action="store_true", help="make the store, with baselines, if there is none"
    )
    parser.add_argument(
        "--device",
        metavar="NAMES",
        default=os.environ.get("DELTANAS_DEVICE", "cpu"),
        help="where jobs may run, as in cpu or cuda:0,cuda:1; default: $DELTANAS_DEVICE, or cpu",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        default=os.environ.get("DELTANAS_MODEL"),
        help="TOML file with the language model that writes deltas; default: $DELTANAS_MODEL",
    )
    parser.add_argument("--http", action="store_true", help="serve over HTTP instead of stdio")


def _add_http_options(group: "argparse._ArgumentGroup") -> list[argparse.Action]:
    add = group.add_argument
    return [
        add("--host", default="127.0.0.1", help="address to listen on; default: %(default)s"),
        add("--port", type=int, default=8765, help="0: any that is free; default: %(default)s"),
        add(
            "--token-file",
            type=Path,
            metavar="FILE",
            help="a line per token: TOKEN [name [scope,scope]]; "
            f"default: the one token in ${TOKEN_VARIABLE}",
        ),
        add("--oauth", type=Path, metavar="FILE", help="TOML file: whose tokens to take"),
        add(
            "--insecure-localhost",
            action="store_true",
            help="take everybody on this machine, without a token",
        ),
        add(
            "--allow-host",
            action="append",
            default=[],
            metavar="NAME",
            help="a name by which clients reach the server; may be repeated",
        ),
        add(
            "--allow-origin",
            action="append",
            default=[],
            metavar="ORIGIN",
            help="a web page that may call, as in https://nas.example; may be repeated",
        ),
        add(
            "--trust-proxy",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="believe this proxy where a request comes from; may be repeated",
        ),
        add(
            "--requests-per-minute",
            type=int,
            default=600,
            metavar="N",
            help="that each owner of a token may make; default: %(default)s",
        ),
    ]


def _settings(options: argparse.Namespace) -> ServerSettings:
    if options.model is not None:
        # Only a server with a model needs to know what a model's settings are.
        from deltanas_mcp.settings import model_settings

        model_settings(Path(options.model))
    devices = tuple(name.strip() for name in options.device.split(","))
    try:
        return ServerSettings(store=Path(options.store), devices=devices, model=options.model)
    except ValidationError as error:
        raise ConfigError(
            f"--device {options.device}: expected cpu, cuda or cuda:0, with commas between them"
        ) from error


def _find_or_make(store: Path, *, make: bool) -> None:
    """Look for the store, but do not open it: that costs as much as all the rest."""
    if make and not (store / "HEAD").is_file():
        from deltanas_mcp.wiring import create_store

        create_store(store)
    elif not (store / "HEAD").is_file():
        raise StoreError(f"there is no store at {store}; `deltanas init {store}` makes one")


def _serve_http(
    settings: ServerSettings, options: argparse.Namespace, environ: MutableMapping[str, str]
) -> None:
    from deltanas_mcp.http.run import serve_http
    from deltanas_mcp.settings import secret

    http = _http_settings(options, environ).checked()
    asked = http.oauth and http.oauth.introspection
    known = secret(asked.client_secret_env) if asked else ""
    if asked:
        del environ[asked.client_secret_env]
    serve_http(settings, http, secret=known)


def _http_settings(
    options: argparse.Namespace, environ: MutableMapping[str, str]
) -> "HttpSettings":
    from deltanas_mcp.http.oauth_settings import load_oauth
    from deltanas_mcp.http.settings import HttpSettings

    try:
        return HttpSettings(
            host=options.host,
            port=options.port,
            tokens=_tokens(options, environ),
            oauth=load_oauth(options.oauth) if options.oauth else None,
            is_insecure=options.insecure_localhost,
            allowed_hosts=tuple(options.allow_host),
            allowed_origins=tuple(options.allow_origin),
            trusted_proxies=tuple(options.trust_proxy),
            requests_per_minute=options.requests_per_minute,
        )
    except ValidationError as error:
        faults = (f"{each['loc'][0]}: {each['msg']}" for each in error.errors())
        raise ConfigError(f"cannot serve over HTTP so: {'; '.join(faults)}") from error


def _tokens(options: argparse.Namespace, environ: MutableMapping[str, str]) -> "tuple[Token, ...]":
    from deltanas_mcp.http.tokens import read_tokens, token_of_environment

    # Jobs inherit the environment, and have no business with it.
    value = environ.pop(TOKEN_VARIABLE, "")
    if options.token_file is not None:
        return read_tokens(options.token_file)
    return (token_of_environment(value, variable=TOKEN_VARIABLE),) if value else ()
