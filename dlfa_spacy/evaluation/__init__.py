"""Zero-shot scores per language, from a spaCy pipeline and a folder of corpora."""

from ..corpora.folder import find_languages
from ..metrics.chunk_f1 import UposChunkF1
from ..metrics.span_f1 import SpanF1
from ..metrics.token_accuracy import TokenAccuracy
from .evaluate import evaluate, evaluate_language
from .output import write_evaluation
from .results import Evaluation, LanguageResult
from .scorer import LanguageScorer
from .tasks import pipeline_tasks

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
