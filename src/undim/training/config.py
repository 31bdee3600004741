"""A recipe: everything that decides a training run, in one flat TOML file.

The key `trainer` says which training it is for (`undim.training.objectives`). Unknown keys and
values out of range are errors that name the right ones; `--set key=value` changes single keys
(`--set losses.exposure_released.weight=5`).
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import re
import tomllib
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from undim.errors import ConfigError
from undim.training.losses import LOSSES
from undim.training.nets import GRIDS, INITIALISATIONS, MODELS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")
Losses = dict[str, dict[str, float]]

_SMALLEST = 16  # side of a training picture: the losses look at regions of up to that size


@dataclass(frozen=True, kw_only=True)
class RecipeHead:
    """What a recipe of any trainer says: which it is for, and what its weights are."""

    name: str
    description: str
    trainer: str
    training_data: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Recipe(RecipeHead):
    """One run.

    Pictures are counted in the numeric order of their file names; slices are Python's `start:stop`.
    """

    trainer: str = "zero-reference"
    # model
    model: str = "DCENet"
    iterations: int = 8
    width: int = 32
    initialisation: str = "glorot"
    # data
    folder: str = "."  # below --data; LOL keeps its dark pictures in low/
    train: str = ":"
    validation: str = "0:0"
    test: str = (
        ""  # where the expected numbers are measured: "eval15" or a slice of the paired data
    )
    image_size: int = 256  # side of the square that every picture is resized to
    crop: int = 0  # side of a random crop of that square; 0 takes all of it
    flip: bool = False
    rotate: bool = False
    exposure_jitter: float = (
        0.0  # stops: a picture is multiplied by 2^u, u uniform in [-jitter, jitter]
    )
    # losses: name -> weight, or {weight = w, ...} with arguments of the formula
    losses: Losses = field(default_factory=dict)
    # optimisation (Adam)
    epochs: int = 100
    batch: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    gradient_clip: float = 0.0  # largest gradient norm; 0 leaves it alone
    seed: int = 0
    precision: str = "auto"  # of the convolutions: auto | bfloat16 | float32
    # what a faithful run gives, by column of docs/results.md
    expected: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("model", self.model, MODELS.keys() - GRIDS)
        one_of("initialisation", self.initialisation, INITIALISATIONS)
        one_of("precision", self.precision, ("auto", "bfloat16", "float32"))
        at_least(
            1, **{key: getattr(self, key) for key in ("iterations", "width", "epochs", "batch")}
        )
        at_least(0, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        at_least(
            0,
            gradient_clip=self.gradient_clip,
            exposure_jitter=self.exposure_jitter,
            crop=self.crop,
        )
        at_least(0, seed=self.seed)
        if self.crop > self.image_size:
            raise ConfigError(f"crop = {self.crop} is larger than image_size = {self.image_size}")
        at_least(_SMALLEST, **{"crop" if self.crop else "image_size": self.crop or self.image_size})
        for key in ("train", "validation"):
            parse_slice(key, getattr(self, key))
        if not self.losses:
            raise ConfigError(
                f"recipe {self.name!r} names no losses; there are: {', '.join(LOSSES)}"
            )
        for name, options in self.losses.items():
            one_of("losses", name, LOSSES)
            kinds = {
                k: v for k, v in typing.get_type_hints(LOSSES[name]).items() if v in (int, float)
            }
            for option, value in options.items():
                one_of(f"losses.{name}", option, kinds.keys() | {"weight"})
                if kinds.get(option) is int and type(value) is not int:
                    raise ConfigError(
                        f"losses.{name}.{option} = {value!r}: expected a whole number"
                    )
            if "weight" not in options:
                raise ConfigError(
                    f"losses.{name} has no weight: write {name} = 1.0 or weight = 1.0"
                )
            if options.get("patch", 1) > (self.crop or self.image_size):
                raise ConfigError(
                    f"losses.{name}.patch = {options['patch']} is larger than the pictures"
                )


def to_toml(recipe: DataclassInstance) -> str:
    """The whole recipe, defaults included, as TOML that reads back as the same."""
    values = dataclasses.asdict(recipe)
    tables = {
        key: values.pop(key) for key, value in dict(values).items() if isinstance(value, dict)
    }
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    for key, table in tables.items():
        lines += [
            "",
            f"[{key}]",
            *(f"{_key(name)} = {_toml(value)}" for name, value in table.items()),
        ]
    return "\n".join(lines) + "\n"


def recipe_sha256(recipe: RecipeHead) -> str:
    """The checksum of what a run depends on: the recipe but for the numbers expected of it."""
    asked = dataclasses.replace(recipe, expected={}) if isinstance(recipe, Recipe) else recipe
    return hashlib.sha256(to_toml(asked).encode()).hexdigest()


def load_recipe(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply `key=value` changes.

    Each value is written as in TOML; bare words are strings.
    """
    return build_from(path, recipe_from, read_values(path, changes))


def read_values(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe file's keys and values, changed, not yet checked."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for change in changes:
        _change(values, change)
    return values


def build_from(
    path: str | Path, build: Callable[[Mapping[str, Any]], Kind], values: Mapping[str, Any]
) -> Kind:
    """The recipe that `build` makes of a file's values; errors name the file."""
    try:
        return build(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Build a `Recipe` from parsed TOML."""
    values = dict(values)
    if isinstance(losses := values.get("losses"), Mapping):
        values["losses"] = {
            k: dict(v) if isinstance(v, Mapping) else {"weight": v} for k, v in losses.items()
        }
    for table in ("losses", "expected"):
        entries = values.get(table, {})
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            for number in entry.values() if isinstance(entry, dict) else (entry,):
                if type(number) not in (int, float) or not math.isfinite(number):
                    raise ConfigError(f"{table}.{name} = {number!r}: expected a number")
    return build(Recipe, values)


def build(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """Fill a dataclass from TOML: every key known, every value of its type, lists for tuples."""
    kinds, made = typing.get_type_hints(kind), {}
    for key, value in values.items():
        one_of("key", key, kinds)
        wanted = typing.get_origin(kinds[key]) or kinds[key]
        if wanted is float and type(value) is int:
            value = float(value)
        elif wanted is tuple and type(value) is list:
            value = _tuple(key, value, typing.get_args(kinds[key]))
        elif (
            isinstance(wanted, type)
            and dataclasses.is_dataclass(wanted)
            and isinstance(value, Mapping)
        ):
            value = build(wanted, value)
        if type(value) is not wanted:
            raise ConfigError(
                f"{key} = {value!r} is a {type(value).__name__}; expected {wanted.__name__}"
            )
        made[key] = value
    needed = [
        f.name
        for f in dataclasses.fields(kind)
        if f.default is f.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if name not in made]:
        raise ConfigError(f"{', '.join(missing)} missing; a recipe needs {', '.join(needed)}")
    return kind(**made)


def _tuple(key: str, values: list[Any], kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list as the tuple that a field wants: of its length, or any number of one type."""
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(values)
    allowed = [(int, float) if kind is float else (kind,) for kind in kinds]
    if len(values) != len(kinds) or any(
        type(v) not in kind for v, kind in zip(values, allowed, strict=True)
    ):
        raise ConfigError(
            f"{key} = {values!r}: expected {len(kinds)} of {', '.join(k.__name__ for k in kinds)}"
        )
    return tuple(kind(value) for kind, value in zip(kinds, values, strict=True))


def parse_slice(key: str, text: str) -> slice:
    """`"30:400"` -> slice(30, 400)."""
    start, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return slice(int(start) if start else None, int(stop) if stop else None)
    except ValueError:
        raise ConfigError(f"{key} = {text!r}: expected a slice such as '0:300' or ':'") from None


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals:
        raise ConfigError(f"--set {change}: expected KEY=VALUE, for example --set epochs=10")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    place = values
    for table in tables:
        inner = place.get(table, {})
        # a loss that is a bare number becomes a table, so that an argument can stand beside it
        place[table] = dict(inner) if isinstance(inner, Mapping) else {"weight": inner}
        place = place[table]
    place[last] = value


def at_least(least: int, **values: float) -> None:
    """Refuse a recipe's values below `least`, and those that are no numbers."""
    for key, value in values.items():
        if not least <= value < math.inf:
            raise ConfigError(f"{key} = {value}: expected {least} or more")


def share(**values: float) -> None:
    """Refuse a recipe's values outside of 0 to 1."""
    for key, value in values.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{key} = {value}: expected a share, 0 to 1")


def one_of(what: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is not known, with the nearest that is."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise ConfigError(f"{what}: unknown {name!r}{hint} There are: {', '.join(sorted(known))}")


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _toml(value: object) -> str:
    if isinstance(value, bool | str):  # JSON writes these as TOML does
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return repr(value)
