"""datasets: image data sets as arrays of bytes, split into train, search and test once for all."""

from deltanas_tools.datasets.archives import Progress, silent
from deltanas_tools.datasets.dataset import Dataset
from deltanas_tools.datasets.prepare import Availability, availability, names, prepare

__all__ = ["Availability", "Dataset", "Progress", "availability", "names", "prepare", "silent"]
