"""What a setting may be: said when settings are made, before an encoder is loaded."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.util import find_spec


def nearest(value: str, known: Iterable[str]) -> str | None:
    """RETURNS (Optional[str]): The known name that is spelt most like a value, if one is."""
    names = {name.lower(): name for name in known}
    found = get_close_matches(value.lower(), names, n=1)
    return names[found[0]] if found else None


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """RAISES (ValueError): Not one of the known ones. The fix is the one that is spelt most like
    it, or the first, which is the usual one. `name` is that of a setting, or an --option."""
    if value not in known:
        is_option = name.startswith("--")
        shown, fix = (
            f"{name} {x}" if is_option else f'{name} = "{x}"'
            for x in (value, nearest(value, known) or known[0])
        )
        raise ValueError(f"{shown}: expected one of {', '.join(known)}. Fix: {fix}.")


def check_number(name: str, value: float, right: bool, wanted: str, usual: float) -> None:
    """RAISES (ValueError): The number is not right."""
    if not right:
        raise ValueError(f"{name} = {value}: expected {wanted}. Fix: {name} = {usual}.")


def check_installed(module: str, extra: str, what: str, otherwise: str = "") -> None:
    """Say how to install a library that few need. It is not imported here.

    module (str): Its module.
    extra (str): That of this package which brings it.
    what (str): What needs it.
    otherwise (str): Another way out, after the fix.
    RAISES (ImportError): It is not installed.
    """
    try:
        found = find_spec(module) is not None
    except (ImportError, ValueError):
        # The parent of a submodule is missing, or something has blocked the import.
        found = False
    if not found:
        fix = f'pip install "dlfa_spacy[{extra}]"' + (f", or {otherwise}" if otherwise else "")
        raise ImportError(f"{what} needs {module}, which is not installed. Fix: {fix}.")
