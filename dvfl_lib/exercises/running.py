"""Try an answer: in a thread with a time limit, on arguments of its own.

Public names: ``attempt``, ``Outcome``, ``TooLong``, ``borrowed``, ``where_raised``.
"""

from __future__ import annotations

import ctypes
import dis
import inspect
import io
import sysconfig
import threading
import traceback
import types
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..seeding import derive_seed, fixed_rng
from .comparing import same
from .exercise import Part

SECONDS = 5.0  # for one call; the slowest right answer needs a tenth of it
_CALLS = count()


class TooLong(Exception):
    """A call that was stopped."""


@dataclass(frozen=True)
class Outcome:
    """What one call gave back: a value, or what it raised."""

    value: Any = None
    raised: BaseException | None = None
    printed: str = ""
    changed: int | None = None  # the place of an argument that is not as it was

    def gives(self, asked: Outcome) -> bool:
        """The asked value, or the same words of the same exception."""
        if self.raised is None and asked.raised is None:
            return same(asked.value, self.value)
        return repr(self.raised) == repr(asked.raised)


def attempt(
    part: Part, answer: Any, case: str, seed: int, seconds: float | None = None
) -> Outcome:
    """One call of an answer, on arguments that depend on case and seed alone.

    The generator of the arguments is the case's. Torch's global one differs in each
    call, so that an answer that draws from it is found out; it is put back afterwards.
    """
    if part.predicted:
        return Outcome(answer)

    def arguments() -> tuple:
        torch.default_generator.manual_seed(key)
        return part.cases[case](torch.Generator().manual_seed(key))

    key, value, raised, printed = derive_seed(case, seed), None, None, io.StringIO()
    with fixed_rng(key):
        given = arguments()
        torch.default_generator.manual_seed(next(_CALLS))
        try:
            with redirect_stdout(printed):
                value = _within(seconds or SECONDS, lambda: part.run(answer, *given))
        except Exception as error:
            raised = error
        before = arguments()
    pairs = enumerate(zip(before, given, strict=True))
    moved = (n for n, pair in pairs if not same(*pair))
    return Outcome(value, raised, printed.getvalue(), next(moved, None))


def _within(seconds: float, work) -> Any:
    """Call ``work`` in a thread, which is stopped when its time is over.

    A thread works on every system and beside a notebook's own loop; a signal does not.
    """
    ended: list[Any] = []

    def target() -> None:
        try:
            ended.append((work(), None))
        except BaseException as error:  # SystemExit too: an answer may not end us
            ended.append((None, error))

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        stop = ctypes.pythonapi.PyThreadState_SetAsyncExc
        stop(ctypes.c_ulong(thread.ident), ctypes.py_object(TooLong))
        thread.join(1)
        raise TooLong
    value, error = ended[0]
    if error is not None:
        raise error if isinstance(error, Exception) else RuntimeError(repr(error))
    return value


def borrowed(answer: Any) -> list[str]:
    """Names of the notebook's data that an answer reads and that are no arguments.

    Modules, functions, classes and constants in capitals may be used: other notebooks
    have them, too, or can copy them with the function.
    """
    found, seen = {}, set()
    waiting = list(_functions(answer))
    while waiting:
        function = waiting.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        for name in _globals_read(function.__code__):
            value = function.__globals__.get(name)
            if isinstance(value, types.FunctionType):
                if value.__globals__ is function.__globals__:
                    waiting.append(value)
            elif value is not None and _is_data(name, value):
                found[name] = True
    return list(found)


def _functions(answer: Any) -> list[types.FunctionType]:
    """The answer itself, or the methods of a class."""
    inner = vars(answer).values() if inspect.isclass(answer) else [answer]
    return [one for one in inner if isinstance(one, types.FunctionType)]


def _globals_read(code: types.CodeType) -> list[str]:
    names = [i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"]
    for inner in code.co_consts:
        names += _globals_read(inner) if isinstance(inner, types.CodeType) else []
    return names


def _is_data(name: str, value: Any) -> bool:
    if name.isupper() and not isinstance(value, torch.Tensor | nn.Module):
        return False
    known = callable(value) and not isinstance(value, nn.Module)
    return not known and not isinstance(value, types.ModuleType)


def where_raised(error: BaseException) -> str:
    """The line of the learner's own code that raised, or nothing."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
    apart = [Path(__file__).parents[1], *installed]
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(folder) for folder in apart)
        and not frame.filename.startswith("<frozen")
    ]
    return f"line {own[-1].lineno}: {own[-1].line}" if own else ""
