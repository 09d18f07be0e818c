# The MCP server, and all that its jobs need, for a user without rights:
#
#     docker build -t deltanas-mcp .
#     docker run --init --rm -i -v deltanas:/data deltanas-mcp
#
# docs/clients.md has HTTP, GPUs and what of the sandbox holds in a container.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
# Of the wheels of torch, those for the CPU. For a GPU: https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/deltanas \
    && /opt/deltanas/bin/pip install --no-cache-dir --index-url "${TORCH_INDEX}" \
    "torch>=2.9,<3" "torchvision>=0.24,<1"
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY repo_store repo_store
COPY tools tools
COPY agent agent
COPY deltanas_mcp deltanas_mcp
RUN /opt/deltanas/bin/pip install --no-cache-dir .

FROM python:${PYTHON}-slim-bookworm
LABEL io.modelcontextprotocol.server.name="io.github.deltanas/deltanas-mcp" \
      org.opencontainers.image.title="deltanas-mcp" \
      org.opencontainers.image.licenses="MIT"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home deltanas \
    && install --directory --owner=deltanas --group=deltanas /data
COPY --from=build /opt/deltanas /opt/deltanas
ENV PATH=/opt/deltanas/bin:$PATH \
    DELTANAS_CACHE=/data/cache \
    DELTANAS_STORE=/data/store \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8765
ENTRYPOINT ["deltanas-mcp", "--init"]
