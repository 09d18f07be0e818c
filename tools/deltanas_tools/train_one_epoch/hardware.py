"""What computed a number: on other hardware its last bits may be others."""

import platform
import re
from functools import cache
from pathlib import Path


@cache
def processor(device: str) -> str:
    """Return the model of the CPU, or of the GPU that ``device`` names; empty where unknown."""
    if device != "cpu":
        from deltanas_tools.sandbox.gpu_memory import name_of_gpu  # loads NVIDIA's library

        return name_of_gpu(device)
    table = Path("/proc/cpuinfo")
    text = table.read_text() if table.exists() else ""
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
