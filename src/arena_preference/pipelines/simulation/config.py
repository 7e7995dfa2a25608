"""Parameters of the pipeline ``simulation``."""

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonPositiveFloat


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UtilityConfig(_Config):
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
    """Per standard deviation of the model's strength, beyond what the text shows."""


class StyleControlConfig(_Config):
    """LMArena's style control: log-odds per unit of (a - b) / (a + b) of each count (Chiang et al., 2024)."""

    length: float
    lists: float
    headers: float
    bold: float
    scale: NonNegativeFloat
    """Factor on all four."""


class SimulationConfig(_Config):
    """Size of the simulated splits, and the distribution from which battles and labels are drawn."""

    battles: int = Field(ge=50)
    """Battles in train.csv."""
    test_battles: int = Field(ge=50)
    """Battles in test.csv."""
    repeated_prompt_fraction: float = Field(ge=0, le=0.9)
    """Fraction of battles whose prompt occurs in another battle of the split."""
    single_turn_fraction: float = Field(gt=0, le=1)
    """Fraction of battles with one turn."""
    other_language_fraction: float = Field(ge=0, le=1)
    """Fraction of prompts that are not in English."""
    usual_length: float = Field(gt=0)
    """Characters of the median explanation by a model of average verbosity."""
    shared_length_spread: NonNegativeFloat
    """Standard deviation of the log length that both responses of a battle have in common."""
    ability_spread: NonNegativeFloat
    """Standard deviation of a model's ability from battle to battle."""
    utility: UtilityConfig
    style_control: StyleControlConfig
    position: float
    """Log-odds in favour of the response that is shown first."""
    noise: NonNegativeFloat
    """Standard deviation of personal taste, in log-odds; the true probabilities are averages over it."""
    tie: float
    """Log-odds of a tie, against either side, between two flawless responses."""
    both_bad: NonNegativeFloat
    """Increase of these log-odds per unit of mean utility that both responses lack."""
