"""Parameters of the pipeline ``simulation``; conf/base/parameters_simulation.yml explains each of them."""

from pydantic import Field, NonNegativeFloat, NonPositiveFloat

from arena_preference.config import Config


class UtilityConfig(Config):
    """Utility of each trait of a response (see ``Traits``), and of the model's strength, in log-odds."""

    coverage: NonNegativeFloat
    errors: NonPositiveFloat
    off_topic: NonPositiveFloat
    repetition: NonPositiveFloat
    hedging: NonPositiveFloat
    refusal: NonPositiveFloat
    truncation: NonPositiveFloat
    foreign: NonPositiveFloat
    misformat: NonPositiveFloat
    warmth: NonNegativeFloat
    missing: NonPositiveFloat
    strength: NonNegativeFloat


class StyleControlConfig(Config):
    """LMArena's style control: log-odds per unit of (a - b) / (a + b) of each count (Chiang et al., 2024)."""

    length: float
    lists: float
    headers: float
    bold: float
    scale: NonNegativeFloat


class SimulationConfig(Config):
    """Size of the simulated splits, and the distribution from which battles and labels are drawn."""

    battles: int = Field(ge=50)
    test_battles: int = Field(ge=50)
    repeated_prompt_fraction: float = Field(ge=0, le=0.9)
    single_turn_fraction: float = Field(gt=0, le=1)
    other_language_fraction: float = Field(ge=0, le=1)
    usual_length: float = Field(gt=0)
    shared_length_spread: NonNegativeFloat
    ability_spread: NonNegativeFloat
    utility: UtilityConfig
    style_control: StyleControlConfig
    position: float
    noise: NonNegativeFloat
    tie: float
    both_bad: NonNegativeFloat
