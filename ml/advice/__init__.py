"""Recommendations: reads what sites measured and pay, applies the rules of `aurora.domain.advice`, words and publishes what they find."""

from ml.advice.recommending import recommend

__all__ = ["recommend"]
