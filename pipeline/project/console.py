"""Moved to pipeline/console.py; goes as soon as nobody imports it."""

from pipeline.console import *  # noqa: F403
