"""A small simulated trial before treatment, and both of its strategies followed."""

from pathlib import Path

import pytest

from models.rules.table import rule_table
from pipeline.project.rule_files import read_rules
from pipeline.sources.simulation.course import World, follow
from pipeline.sources.simulation.draws import Streams
from pipeline.sources.simulation.settings import Settings, read_settings
from pipeline.sources.simulation.treatment import Course
from pipeline.sources.simulator import before_treatment

CONFIGS = Path(__file__).parents[3] / "configs"
PATIENTS = 3_000


@pytest.fixture(scope="session")
def settings() -> Settings:
    return read_settings(CONFIGS / "simulation.yaml", CONFIGS / "simulation")


@pytest.fixture(scope="session")
def world(settings: Settings) -> World:
    rules = rule_table(read_rules(CONFIGS / "rules/nct07239271.yaml", CONFIGS / "rules/pam_genes.csv"))
    return before_treatment(PATIENTS, settings, rules, Streams(settings.seed))


@pytest.fixture(scope="session")
def courses(world: World) -> dict[bool, Course]:
    return {adaptive: follow(world, adaptive=adaptive, streams=Streams(1)) for adaptive in (False, True)}
