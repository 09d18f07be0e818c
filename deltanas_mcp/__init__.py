"""The doors of DeltaNAS: command line and MCP server. The only package that wires things up."""
