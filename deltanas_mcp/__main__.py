"""``python -m deltanas_mcp`` is ``deltanas-mcp``."""

from deltanas_mcp.serve import main

if __name__ == "__main__":
    main()
