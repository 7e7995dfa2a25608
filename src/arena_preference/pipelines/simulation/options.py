"""Parameters of the pipeline ``simulation``."""

from pydantic import BaseModel, ConfigDict, Field


class UtilityOptions(BaseModel):
    """What each trait of an answer adds to its utility, in log-odds of being preferred to an answer without it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: float = Field(ge=0)
    """All requested points covered, against none."""
    errors: float = Field(le=0)
    """All covered points wrong, against none."""
    off_topic: float = Field(le=0)
    """All of the text on another topic."""
    repetition: float = Field(le=0)
    """All of the text said before."""
    hedging: float = Field(le=0)
    """Two sentences or more that take the answer back."""
    refusal: float = Field(le=0)
    """A refusal, on top of the lack of coverage."""
    truncation: float = Field(le=0)
    """An answer that breaks off."""
    foreign: float = Field(le=0)
    """An answer in another language than the prompt."""
    misformat: float = Field(le=0)
    """Prose where a list, table or letter was asked for."""
    warmth: float = Field(ge=0)
    """A friendly opening and ending, against neither; curt is the negative of it."""
    missing: float = Field(le=0)
    """No answer, on top of the lack of coverage."""
    strength: float = Field(ge=0)
    """One standard deviation of the chatbot's strength, beyond what its text shows."""


class StyleOptions(BaseModel):
    """LMArena's style control: log-odds per unit of (a - b) / (a + b) of each count (Chiang et al., 2024)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: float
    """Characters."""
    lists: float
    """List items."""
    headers: float
    """Markdown headers."""
    bold: float
    """Bold passages."""
    scale: float = Field(ge=0)
    """One factor on all four."""


class SimulationOptions(BaseModel):
    """Size of the simulated splits, and the law by which verdicts are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    battles: int = Field(ge=50)
    """Battles in train.csv."""
    test_battles: int = Field(ge=50)
    """Battles in test.csv."""
    repeated_prompt_share: float = Field(ge=0, le=0.9)
    """Share of battles whose prompt occurs in another battle of the split."""
    single_turn_share: float = Field(gt=0, le=1)
    """Share of battles with one turn."""
    other_language_share: float = Field(ge=0, le=1)
    """Share of prompts that are not in English."""
    usual_length: float = Field(gt=0)
    """Characters of the median explanation of a chatbot of mean verbosity."""
    shared_length_spread: float = Field(ge=0)
    """Standard deviation of the log length that both answers of a battle have in common."""
    ability_spread: float = Field(ge=0)
    """Standard deviation of a chatbot's ability from battle to battle."""
    utility: UtilityOptions
    """Utility of an answer."""
    style: StyleOptions
    """Utility of its style."""
    position: float
    """Log-odds in favour of the answer that is shown first."""
    noise: float = Field(ge=0)
    """Standard deviation of a person's taste, in log-odds; the true probabilities are averages over it."""
    tie: float
    """Log-odds of a tie between two answers of equal utility, against either verdict, when both are flawless."""
    both_bad: float = Field(ge=0)
    """How much one unit of mean utility lost by both answers adds to these log-odds."""
