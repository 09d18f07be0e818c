"""The entry point of ``deltanas-mcp``, which ``python -m deltanas_mcp`` is as well."""

import gc


def main() -> None:
    """Serve as the command line says."""
    # What is imported stays: to look through it for garbage again and again is a tenth of the
    # time until the server can answer, and some clients wait only ten seconds.
    gc.disable()
    from deltanas_mcp.serve import main as serve

    gc.freeze()
    gc.enable()
    serve()


if __name__ == "__main__":
    main()
