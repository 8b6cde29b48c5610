"""The condition keys of a request: those that it has, and those that it is known not to have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emulator.iam.patterns import PolicyError

Value = str | tuple[str, ...]
"""A condition key's value; a tuple where the key is multivalued."""


class Context:
    """Condition keys by name, in any case. What is neither here nor `absent` is an error, never a silent answer.

    A name in `absent` that ends in `/` or `:` stands for every key that begins with it.
    """

    def __init__(self, values: Mapping[str, Value], absent: Iterable[str] = ()) -> None:
        self._values = {key.lower(): value for key, value in values.items()}
        self._absent = frozenset(key.lower() for key in absent)
        self._prefixes = tuple(key for key in self._absent if key.endswith(("/", ":")))

    def get(self, key: str) -> Value | None:
        """The value of a key, None where the request has none; raises PolicyError for a key that is not emulated."""
        name = key.lower()
        value = self._values.get(name)
        if value is None and name not in self._absent and not name.startswith(self._prefixes):
            raise PolicyError(
                f"condition key {key!r} is not emulated for this request: it knows {sorted(self._values)}, and that "
                f"there is no {sorted(self._absent)}"
            )
        return value

    def single(self, key: str) -> str | None:
        """The value of a key for a policy variable, which takes no multivalued ones."""
        value = self.get(key)
        if isinstance(value, tuple):
            raise PolicyError(f"policy variable ${{{key}}} names a multivalued condition key")
        return value
