"""Command lines and their words: what is none is one clear line that says what was meant."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_network
from itertools import pairwise
from typing import NoReturn
from urllib.parse import urlsplit

from errors import CannotStart

COMMANDS = ("pull", "add", "push", "init", "serve")
VARIABLES = "ATELIER_"
"""What the names of Atelier's own variables begin with."""
_NEAR = 0.8
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off", "")


class CommandLine(argparse.ArgumentParser):
    """A parser that raises `CannotStart` where argparse would print its usage."""

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """What was given. Raises `CannotStart`."""
        for option, word in pairwise([*arguments, "-"]):
            # As a variable of the shell is that is not set: no tokens would let everybody in.
            if option.startswith("--") and (option.endswith("=") or not word):
                self.error(f"{option.rstrip('=')} is empty")
        given, unknown = self.parse_known_args(arguments)
        if unknown:
            self.error(self._why_unknown(unknown[0]))
        return given

    def error(self, message: str) -> NoReturn:
        ended = message if message.endswith((".", "?")) else f"{message}."
        raise CannotStart(f"{ended} `{self.prog} --help` shows what there is.")

    def variables(self) -> list[str]:
        """The variables that its options are, too."""
        names = [each.option_strings[-1].strip("-") for each in self._actions if each.dest]
        return [VARIABLES + name.replace("-", "_").upper() for name in names]

    def _why_unknown(self, word: str) -> str:
        if word.startswith("-"):
            name = word.partition("=")[0]
            options = [o for each in self._actions for o in each.option_strings]
            return f"There is no option {name}{_meant(name, options)}"
        if self.prog.endswith("app.py"):
            if word in COMMANDS:
                return f"The command {word} has to come before every option"
            return f"There is no command {word}{_meant(word, COMMANDS)}"
        return f"{word!r} is one word too many"


def check_names(environment: Mapping[str, str], known: Sequence[str]) -> None:
    """Raises `CannotStart` for a variable whose name is all but one of `known`: what was meant to
    be set, tokens perhaps, would not be.
    """
    names = [each.removeprefix(VARIABLES) for each in known]
    for variable in sorted(environment):
        name = variable.removeprefix(VARIABLES)
        if variable == name or name in names:
            continue
        if meant := _meant(name, names, VARIABLES):
            raise CannotStart(f"There is no variable {variable}{meant}")


def _meant(word: str, words: Iterable[str], before: str = "") -> str:
    near = get_close_matches(word, list(words), 1, _NEAR if before else 0.6)
    return f". Did you mean {before}{near[0]}?" if near else ""


def truth(name: str, text: str) -> bool:
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise CannotStart(f"{name} is {text!r}; it must be 1 or 0.")


def networks(text: str) -> tuple[str, ...]:
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    for each in found:
        try:
            if each != "*":
                ip_network(each, strict=False)
        except ValueError:
            raise CannotStart(
                f"--trusted-proxies has {each!r}; write addresses such as 10.0.0.1 or 10.0.0.0/8."
            ) from None
    return found


def root_address(option: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if whole and not parts.query and not parts.fragment:
        return text.rstrip("/")
    raise CannotStart(f"{option} is {text!r}; write a whole address such as https://models.lan.")


def port(text: str) -> int:
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise CannotStart(f"--port is {text!r}; it must be a number from 0 (any free port) to 65535.")


def count(option: str, text: str, most: int) -> int:
    if text.isdecimal() and int(text) <= most:
        return int(text)
    raise CannotStart(f"{option} is {text!r}; it must be a whole number from 0 to {most}.")


def number(option: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if 0 < found < float("inf"):
        return found
    raise CannotStart(f"{option} is {text!r}; it must be a number greater than 0.")
