"""Judging: what a person should know about the days a refresh touched, against baselines frozen per site, channel and week."""

from transform.judge.judging import judge, judge_silence

__all__ = ["judge", "judge_silence"]
