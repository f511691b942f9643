"""Fifty rules, each written from one feature's page alone: a sentence, and a pattern over the text."""

import re
from dataclasses import dataclass

DICTIONARY = "demo-resid-mid"


@dataclass(frozen=True, slots=True)
class FeatureRule:
    """Says that a feature fires in a context exactly where `pattern` is found in the context's text."""

    index: int
    sentence: str
    pattern: str

    def predicts(self, text: str) -> bool:
        """Whether the rule expects the feature to fire somewhere in this text."""
        return re.search(self.pattern, text) is not None


RULES: tuple[FeatureRule, ...] = ()
