# SPDX-License-Identifier: MIT
"""A container of dependencies, as small as the examples need it: the profiler asks nothing of it."""
from typing import Any, Callable, Dict

__all__ = ["Container"]


class Container:
    """Values by key (a class, or a name), made when they are first asked for."""

    def __init__(self) -> None:
        self._factories: Dict[Any, Callable[[], Any]] = {}
        self._values: Dict[Any, Any] = {}

    def register(self, key: Any, value: Any = None) -> None:
        """`value`, or what it makes if it is a function or class; without one, `key` makes it."""
        made_by = key if value is None else value
        self._values.pop(key, None)
        self._factories.pop(key, None)
        if callable(made_by):
            self._factories[key] = made_by
        else:
            self._values[key] = made_by

    def get(self, key: Any) -> Any:
        """The value of `key`, the same each time; KeyError if there is none."""
        if key not in self._values:
            self._values[key] = self._factories[key]()
        return self._values[key]
