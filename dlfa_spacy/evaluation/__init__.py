"""Zero-shot scores per language, from a spaCy pipeline and a folder of corpora."""

from .chunk_f1 import UposChunkF1
from .evaluate import evaluate, evaluate_language
from .folder import find_languages
from .output import write_evaluation
from .results import Evaluation, LanguageResult
from .scorer import LanguageScorer
from .span_f1 import SpanF1
from .tasks import pipeline_tasks
from .token_accuracy import TokenAccuracy

__all__ = [
    "Evaluation",
    "LanguageResult",
    "LanguageScorer",
    "SpanF1",
    "TokenAccuracy",
    "UposChunkF1",
    "evaluate",
    "evaluate_language",
    "find_languages",
    "pipeline_tasks",
    "write_evaluation",
]
