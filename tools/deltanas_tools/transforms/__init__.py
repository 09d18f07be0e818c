"""transforms: LEMUR's named image transforms, as batched operations on tensors of bytes.

Naming one needs no torch: `parse`. Running one does: `batched.Pipeline`.
"""

from deltanas_tools.transforms.names import REFUSED, parse, supported_names
from deltanas_tools.transforms.transform import Transform

__all__ = ["REFUSED", "Transform", "parse", "supported_names"]
