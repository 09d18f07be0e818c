"""What a candidate may read: Python, the packages that torch lives on, and no others.

Data sets come in packages too (scikit-learn has the digits, labels and all), so a folder of
packages is never opened as a whole.
"""

import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from deltanas_tools.sandbox.landlock import READ, Access

_IMPORTED_LATE = (
    *("torch", "torchgen", "functorch", "torchvision", "numpy", "PIL", "sympy", "mpmath"),
    *("networkx", "jinja2", "markupsafe", "filelock", "fsspec", "typing_extensions", "triton"),
    *("nvidia", "safetensors", "packaging", "einops"),
)
"""What torch and torchvision import only when something is used, and what networks import."""
_SYSTEM = (
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
)
_DRIVER = (
    *("/sys/devices", "/sys/bus/pci", "/sys/module/nvidia", "/sys/module/nvidia_uvm"),
    *("/proc/driver/nvidia", "/proc/driver/nvidia-uvm", "/proc/devices"),
)
_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia[0-9]*", "nvidia-caps/*")
_SITES = frozenset({"site-packages", "dist-packages"})


def rules(*, cuda: bool) -> Iterator[tuple[Path, Access]]:
    """Yield what Landlock opens. To be called when everything that is needed is imported."""
    yield Path("/dev/null"), READ | Access.WRITE_FILE
    for path in (*map(Path, _SYSTEM), *_standard_library(), *_packages(), *_shared_libraries()):
        yield path, READ
    if cuda:
        for path in map(Path, _DRIVER):
            yield path, READ
        for path in devices():
            yield path, READ | Access.WRITE_FILE | Access.IOCTL_DEV


def devices() -> list[Path]:
    """Return the nodes of NVIDIA's driver."""
    return sorted(path for pattern in _DEVICES for path in Path("/dev").glob(pattern))


def _standard_library() -> Iterator[Path]:
    for folder in {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}:
        yield from (path for path in folder.glob("*") if path.name not in _SITES)


def _packages() -> Iterator[Path]:
    names = {name.partition(".")[0] for name in sys.modules} | set(_IMPORTED_LATE)
    for name in sorted(names - {"sklearn"}):
        module = sys.modules.get(name)
        spec = module.__spec__ if module is not None else importlib.util.find_spec(name)
        if spec is None:  # __main__, or not installed
            continue
        places = [Path(place) for place in spec.submodule_search_locations or ()]
        if spec.origin and not places:
            places = [Path(spec.origin)]
        for place in places:
            if _SITES.intersection(part.name for part in place.parents):
                yield place
                yield place.with_name(f"{place.name}.libs")  # what wheels bring along


def _shared_libraries() -> Iterator[Path]:
    """Yield the folders of the libraries that are mapped, or the libraries where that is much."""
    mapped = {
        Path(line.split(maxsplit=5)[5].strip())
        for line in Path("/proc/self/maps").read_text().splitlines()
        if ".so" in line
    }
    for folder in {path.parent for path in mapped}:
        if any(folder.glob("python3*")) or _SITES.intersection(folder.parts):
            yield from (path for path in mapped if path.parent == folder)
        else:
            yield folder
