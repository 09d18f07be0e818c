"""novelty_check: whether the store has this network, or one that is nearly it, already."""

from deltanas_tools.novelty_check.catalogue import Catalogue
from deltanas_tools.novelty_check.index import THRESHOLD, NoveltyIndex

__all__ = ["THRESHOLD", "Catalogue", "NoveltyIndex"]
