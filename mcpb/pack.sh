#!/bin/sh
# Pack the MCP bundle: our tracked sources and a manifest. The host's uv installs what they need.
#
#     mcpb/pack.sh [BUNDLE.mcpb]
#
# MCPB may name the packer; npx fetches it otherwise.
set -eu

cd "$(dirname "$0")/.."
bundle=${1:-dist/deltanas-mcp.mcpb}
contents=$(mktemp -d)
trap 'rm -rf "$contents"' EXIT

git ls-files -z pyproject.toml README.md LICENSE deltanas_mcp tools agent repo_store \
  | tar --create --null --files-from=- | tar --extract --directory "$contents"
cp mcpb/manifest.json "$contents"
mkdir -p "$(dirname "$bundle")"
${MCPB:-npx --yes @anthropic-ai/mcpb@2.1.2} pack "$contents" "$bundle"
