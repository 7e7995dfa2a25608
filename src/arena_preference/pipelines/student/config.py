"""Parameters of the pipeline ``student``; conf/base/parameters_student.yml explains each of them."""

from pydantic import Field

from arena_preference.config import Config


class StudentConfig(Config):
    """Parameters ``student``."""

    weight: float = Field(gt=0)
