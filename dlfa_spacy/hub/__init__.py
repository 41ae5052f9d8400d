"""The Hugging Face Hub: the folder that is pushed, its card, and the push."""

from .push import check_ready, push
from .repository import Repository
from .source import write_source

__all__ = ["Repository", "check_ready", "push", "write_source"]
