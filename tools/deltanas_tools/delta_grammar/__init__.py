"""delta_grammar: which deltas of a source a language model may write, and no others."""

from deltanas_tools.delta_grammar.editable import Editable, editable
from deltanas_tools.delta_grammar.grammar import DeltaGrammar

__all__ = ["DeltaGrammar", "Editable", "editable"]
