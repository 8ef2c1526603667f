"""A digest of code as it runs, not as its file reads.

Public names: ``code_digest``, ``network_digest``.

A notebook's kernel keeps running what it imported, whatever was changed in the file
since; a class typed into a cell has no file, and a function may have been exchanged
for another. So the compiled functions themselves are looked at: instructions, the
names they use, numbers and texts. Comments and layout leave no trace in these, nor
does the wording of a docstring. Another version of Python compiles otherwise.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LIBRARY = __name__.partition(".")[0]
# Their versions say what their code is.
_OTHERS = ("builtins", "torch", "torchvision", "typing", "abc")


def code_digest(parts: Iterable[ModuleType | type]) -> str:
    """16 hex digits that change with the functions, classes and constants in parts.

    Args:
        parts: modules, with the functions and classes they name and the constants in
            capitals; and classes, with what they inherit.
    """
    digest = hashlib.sha256()
    for part in parts:
        kinds = (part,) if isinstance(part, ModuleType) else part.__mro__
        for kind in kinds:
            if isinstance(kind, ModuleType) or _ours(kind):
                digest.update(repr(_members(kind)).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def network_digest(network: nn.Module) -> tuple[str, str]:
    """Digests of a network's layers and of the code that computes with them.

    Two layers of one size may still differ: in an activation, or in a number such as
    the epsilon of a norm, which no weight shows.
    """
    layers = [
        f"{name} {type(layer).__qualname__} {layer.extra_repr()}"
        for name, layer in network.named_modules()
    ]
    kinds = {
        f"{k.__module__}.{k.__qualname__}": k for k in map(type, network.modules())
    }
    parts: dict[str, ModuleType | type] = {}
    for name, kind in sorted(kinds.items()):
        inside = kind.__module__.partition(".")[0] == _LIBRARY
        # A module of this library as a whole: its layers call its functions.
        parts[kind.__module__ if inside else name] = (
            sys.modules[kind.__module__] if inside else kind
        )
    text = "\n".join(layers)
    return hashlib.sha256(text.encode()).hexdigest()[:16], code_digest(parts.values())


def _ours(kind: Any) -> bool:
    return kind.__module__.partition(".")[0] not in _OTHERS


def _members(owner: ModuleType | type) -> list[Any]:
    """What a module or class holds, in the order of the names."""
    found: list[Any] = [owner.__name__]
    of_module = isinstance(owner, ModuleType)
    for name, value in sorted(vars(owner).items()):
        if isinstance(value, type):
            # Those that a module defines; what it imports is another part's.
            if of_module and value.__module__ == owner.__name__:
                found.append([name, _members(value)])
        elif function := _function(value):
            found.append([name, _compiled(function)])
        elif isinstance(value, property):
            # One may be no function, such as an ``operator.attrgetter``.
            parts = [(_function(p), p) for p in (value.fget, value.fset) if p]
            told = [_compiled(f) if f else _constant(p) for f, p in parts]
            found.append([name, told])
        elif name.isupper() or not (of_module or name.startswith("__")):
            found.append([name, _constant(value)])
    return found


def _function(value: Any) -> FunctionType | None:
    """The function in a decorated one, a static method, or a method of a class."""
    value = inspect.unwrap(getattr(value, "__func__", value))
    return value if isinstance(value, FunctionType) else None


def _compiled(function: FunctionType) -> list[Any]:
    """A function: its code, and the values that its arguments have by themselves."""
    defaults = _constant(function.__defaults__), _constant(function.__kwdefaults__)
    return [_code(function.__code__, function.__doc__), *defaults]


def _code(code: CodeType, said: str | None = None) -> list[Any]:
    values = code.co_consts
    if said is not None and values and values[0] == said:  # the docstring
        values = ("", *values[1:])
    return [code.co_code, code.co_names, code.co_varnames, _constant(values)]


def _constant(value: Any) -> Any:
    """Something whose ``repr`` is the same in every process."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, (tuple, list)):
        return [_constant(entry) for entry in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(_constant(entry)) for entry in value)
    if isinstance(value, dict):
        return sorted((repr(_constant(k)), _constant(v)) for k, v in value.items())
    return type(value).__qualname__
