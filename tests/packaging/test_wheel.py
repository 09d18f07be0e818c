"""What the built wheel holds, and nothing else."""

import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"deltanas_mcp", "deltanas_tools", "deltanas_agent", "deltanas_repo_store"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in a wheel that was built just now."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_our_four_packages_and_its_metadata(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_each_package_says_that_it_is_typed(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_baselines_come_with_the_wheel(names: set[str]) -> None:
    folder = "deltanas_repo_store/baselines/networks/"
    sources = {name for name in names if name.startswith(folder) and name.endswith(".py")}
    assert len(sources) >= 10
    assert f"{folder}hparams.json" in names


def test_no_tests_or_caches_are_in_the_wheel(names: set[str]) -> None:
    assert not {name for name in names if "test" in name or "__pycache__" in name}


def test_the_licence_is_in_the_wheel(names: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_our_packages_belong_to_this_distribution_alone() -> None:
    owners = packages_distributions()
    for package in PACKAGES & owners.keys():
        assert set(owners[package]) == {"deltanas-mcp"}
