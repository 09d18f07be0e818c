"""brief: what a proposer is told, as a value and as the text that a language model reads."""

from deltanas_tools.brief.record import Brief
from deltanas_tools.brief.text import AnswerFormat, messages

__all__ = ["AnswerFormat", "Brief", "messages"]
