"""What a setting may be: said when settings are made, before an encoder is loaded."""

from collections.abc import Sequence


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """RAISES (ValueError): Not one of the known ones, of which the first is the usual one."""
    if value not in known:
        raise ValueError(
            f'{name} = "{value}": expected one of {", ".join(known)}. Fix: {name} = "{known[0]}".'
        )


def check_number(name: str, value: float, right: bool, wanted: str, usual: float) -> None:
    """RAISES (ValueError): The number is not right."""
    if not right:
        raise ValueError(f"{name} = {value}: expected {wanted}. Fix: {name} = {usual}.")


def check_option(option: str, value: str, known: Sequence[str]) -> None:
    """RAISES (ValueError): The value of an option of the command line is none of the known ones."""
    if value not in known:
        raise ValueError(
            f"--{option} {value}: there is no such {option}. Expected one of {', '.join(known)}. "
            f"Fix: --{option} {known[0]}."
        )
