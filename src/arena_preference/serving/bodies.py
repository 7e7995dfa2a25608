"""Bodies of requests and answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

_MESSAGE = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "content": {}},
    "required": ["role", "content"],
}
#: A text, a list of turns, or messages in OpenAI's format; the judge says what is wrong with another value.
Conversation = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 1},
                {"type": "array", "items": _MESSAGE, "minItems": 1},
            ]
        }
    ),
]
Context = Literal["none", "batch"]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CompareRequest(_Body):
    """A prompt and two responses."""

    prompt: Conversation = Field(description="A text, a list of turns, or messages in OpenAI's format.")
    a: Conversation = Field(description="A response in one of the same forms.")
    b: Conversation = Field(description="The other response.")
    context: Context = Field("none", description="Has no effect on a single battle.")
    explain: bool = Field(False, description="Whether the answer says what spoke for which response.")


class ReasonReply(_Body):
    """What speaks for one of the responses, and how much, in log-odds."""

    text: str
    side: Literal["a", "b"]
    contribution: float
    feature: str


class CompareReply(_Body):
    """Probabilities that a person prefers a, prefers b, or calls it a tie."""

    a: Probability
    b: Probability
    tie: Probability
    winner: Literal["a", "b", "tie"]
    why: list[ReasonReply] | None = None


class RankRequest(_Body):
    """A prompt and at least two responses."""

    prompt: Conversation = Field(description="A text, a list of turns, or messages in OpenAI's format.")
    responses: Annotated[list[Conversation], Field(min_length=2)]
    context: Context = Field(
        "batch", description="batch: the responses are compared with each other. none: each pair alone."
    )


class RankReply(_Body):
    """Indices from the best response, mean probabilities to win, and those of each response against each other."""

    order: list[int]
    win_probabilities: list[Probability]
    matrix: list[list[Probability]]


class Document(_Body):
    """A document in Cohere's longer form."""

    text: str


class RerankRequest(_Body):
    """A query with ``texts`` (text-embeddings-inference) or ``documents`` (Cohere)."""

    query: str
    texts: Annotated[list[str], Field(min_length=1)] | None = None
    documents: Annotated[list[str | Document], Field(min_length=1)] | None = None
    top_n: int | None = Field(None, ge=1, description="Number of results; with documents.")
    return_documents: bool = Field(False, description="With documents.")
    return_text: bool = Field(False, description="With texts.")
    raw_scores: Literal[False] = Field(False, description="Scores are probabilities.")
    truncate: bool = Field(True, description="Has no effect: a text may be of any length up to the limit.")
    model: str | None = Field(None, description="Has no effect: there is one model.")

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if (self.texts is None) == (self.documents is None):
            raise ValueError("pass either texts or documents")
        return self

    @property
    def candidates(self) -> list[str]:
        """The texts to rank."""
        documents = self.documents if self.texts is None else self.texts
        return [text if isinstance(text, str) else text.text for text in documents or ()]


class RewardRequest(_Body):
    """Queries (prompt and completion in one text), their prompts, and reference answers where there are some."""

    query: Annotated[list[str], Field(min_length=1)]
    prompts: list[str]
    labels: list[str | None] | None = None


class RewardReply(_Body):
    """One reward per query, from 0 to 1; scores and what is logged are the same."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


class ModelReply(_Body):
    """The run that trained the model."""

    version: str
    run_id: str
    name: str | None
    started: str
    metrics: dict[str, float]
    sha256: dict[str, str]
    packages: dict[str, str]


class ErrorReply(_Body):
    """What is wrong, and the field that it is about."""

    error: str
    field: str | None = None
