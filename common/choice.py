"""Names to choose from."""

import enum


class Choice(str, enum.Enum):
    """Base of the choices that a script has for an argument; the plain string, such as ``"mini"``, serves as well."""

    def __str__(self) -> str:  # f"{corpus}" differs between versions of Python otherwise
        return self.value
