"""checks: does a candidate have the interface, does it build, and is it another network at all.

`check_interface` and `check_no_embedded_data` read the source; `check_build` runs it in the
sandbox; `check_effective` compares what two networks computed there.
"""

from deltanas_tools.checks.build import Build, check_build, check_effective
from deltanas_tools.checks.embedded_data import check_no_embedded_data
from deltanas_tools.checks.interface import check_interface

__all__ = [
    "Build",
    "check_build",
    "check_effective",
    "check_interface",
    "check_no_embedded_data",
]
