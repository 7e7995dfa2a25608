"""What the project's commands share: options that are given once, and ``--params`` with lists and paths."""

from collections import Counter
from typing import Any, Final

import click
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arena_preference.run_checks import RUN_KEYS

# What a value begins with whose commas do not separate parameters. A folder's name may begin with a bracket.
_QUOTES: Final = ("'", '"')
_OPENING: Final = (*_QUOTES, "[", "{")

#: Help of ``--params``.
PARAMS_HELP: Final = "Parameters, separated by commas; values are YAML: group.name=[1,2],name=3,other='a,b'"


class Command(click.Command):
    """A command that rejects an option given twice, of which click would drop all but the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            UsageError: If an option with a value is given more than once.
        """
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for option, times in Counter(order).items():
            if isinstance(option, click.Option) and not option.is_flag and times > 1:
                name = max(option.opts, key=len)
                ctx.fail(
                    f"{name} is given {times} times. Give it once; where it takes several values, separate them by "
                    f"commas: {name}=A,B"
                )
        return super().parse_args(ctx, args)


def parse_params(text: str) -> dict[str, Any]:
    """Return parameters as Kedro does, but with lists, with the paths of folders as they are given, and each once.

    A value is YAML: ``a.b=[0.5, 1.0],c='x,y'``. Those of ``RUN_KEYS``, which are paths, are texts.

    Raises:
        ValueError: If the text is not of that form, or a parameter is given twice.
    """
    params: dict[str, Any] = {}
    for item in _split(text):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not name or not equals:
            raise ValueError(
                f"'{item}' is not of the form NAME=VALUE. Put a value with commas into quotes or brackets."
            )
        try:
            if name in RUN_KEYS:
                parsed: Any = {name: yaml.safe_load(value) if value.startswith(_QUOTES) else value}
            else:
                parsed = OmegaConf.to_container(OmegaConf.from_dotlist([f"{name}={value}"]))
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"'{item}' cannot be read as YAML ({reason}). Close or remove brackets and quotes."
            ) from None
        _merge(params, parsed)
    return params


def read_params(ctx: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    """Return the parameters that an option is given; in a file of ``kedro run --config`` they may be a mapping."""
    try:
        return parse_params(value) if isinstance(value, str) else value
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


def _split(text: str) -> list[str]:
    """Return the parts between commas, except those in a list, a mapping or a quoted text."""
    items: list[str] = []
    for part in text.split(","):
        if items and _is_open(items[-1]):
            items[-1] += f",{part}"
        else:
            items.append(part)
    return [item.strip() for item in items if item.strip()]


def _is_open(item: str) -> bool:
    name, _, value = (part.strip() for part in item.partition("="))
    if not value.startswith(_QUOTES if name in RUN_KEYS else _OPENING):
        return False
    try:
        yaml.compose(value, yaml.SafeLoader)
    except yaml.YAMLError:
        return True
    return False


def _merge(params: dict[Any, Any], more: dict[Any, Any], prefix: str = "") -> None:
    """Add parameters to others at any depth."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(params.get(name), dict):
            _merge(params[name], value, f"{prefix}{name}.")
        elif name in params:
            raise ValueError(f"{prefix}{name} is given twice, as {params[name]!r} and as {value!r}. Give it once.")
        else:
            params[name] = value
