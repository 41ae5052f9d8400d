"""All metrics of one language, Doc by Doc, in constant memory."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc

from ..metrics.calibration import Calibration
from ..metrics.chunk_f1 import UposChunkF1
from ..metrics.classification import NOTHING, Confusion, accuracy, macro_f1
from ..metrics.multilabel import THRESHOLDS, MultiLabelF1
from ..metrics.names import task_of
from ..metrics.span_f1 import SpanF1, f1
from ..metrics.token_accuracy import TokenAccuracy
from ..pipeline.confidence.component import register_extensions
from .syntax import TOKEN_READERS, by_extent, group_spans, sentence_spans
from .tasks import PipelineTasks, gold_label, gold_tags, predicted_tags


def _spans(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


class LanguageScorer:
    """Compare predicted Docs with gold ones; texts must be equal, tokens need not.

    Everything is compared by character offsets. With gold tokens that is the same as comparing
    by token index; with raw text, what the tokenizer cut elsewhere is wrong.

    tasks (PipelineTasks): What the pipeline predicts.
    gold_tokens (bool): Whether the pipeline got the gold tokens. XTREME's chunk F1 exists for
        gold tokens only, the word F1 for raw text only.
    calibration (bool): Whether to compare confidences with what is right.
    """

    def __init__(
        self, tasks: PipelineTasks, *, gold_tokens: bool, calibration: bool = False
    ) -> None:
        self.tasks = tasks
        self.gold_tokens = gold_tokens
        if calibration:
            # A pipeline without confidences is told so below, and not by spaCy.
            register_extensions()
        self.n_docs = 0
        self.n_tokens = 0
        self._ner = SpanF1()
        self._n_off_boundaries = 0
        self._has_ner = False
        self._pos = TokenAccuracy()
        self._n_predicted_words = 0
        self._chunks = {rules: UposChunkF1(rules) for rules in ("seqeval1", "seqeval0")}
        self._chunks_valid = True
        self._tokens = {
            metric: TokenAccuracy() for metric in TOKEN_READERS if task_of(metric) in tasks.names
        }
        self._sentences = SpanF1()
        self._several_sentences = False
        self._groups = SpanF1()
        self._has_groups = False
        self._textcat = Confusion()
        self._n_texts = 0
        self._multilabel = MultiLabelF1((*THRESHOLDS, *self._threshold))
        self._confusions = {"pos": Confusion(), "ner": Confusion()}
        self._calibrations = {name: Calibration() for name in tasks.names if calibration}

    @property
    def _threshold(self) -> tuple[float, ...]:
        return () if self.tasks.threshold is None else (self.tasks.threshold,)

    def add(self, gold: Doc, predicted: Doc) -> None:
        """Count one text.

        gold (Doc): The gold Doc.
        predicted (Doc): The pipeline's Doc of the same text. Neither is kept.
        RAISES (ValueError): If the texts differ.
        """
        if gold.text != predicted.text:
            raise ValueError(
                f"predicted text: found {predicted.text[:60]!r}, expected {gold.text[:60]!r}. The "
                "pipeline's tokenizer changes the text; use one that does not, or gold tokens."
            )
        self.n_docs += 1
        self.n_tokens += len(gold)
        if self.tasks.ner and gold.has_annotation("ENT_IOB"):
            self._add_ner(gold, predicted)
        if self.tasks.pos is not None:
            self._add_pos(gold, predicted, self.tasks.pos)
        for metric, accuracy_of in self._tokens.items():
            values = TOKEN_READERS[metric](gold)
            if values is not None:
                found = TOKEN_READERS[metric](predicted)
                accuracy_of.add(values, by_extent(gold, predicted, found))
        if self.tasks.sentences and (sentences := sentence_spans(gold)) is not None:
            self._sentences.add(sentences, sentence_spans(predicted) or [])
            self._several_sentences |= len(sentences) > 1
        if (spans := group_spans(gold, self.tasks.spans_keys)) is not None:
            self._groups.add(spans, group_spans(predicted, self.tasks.spans_keys) or [])
            self._has_groups = True
        if self.tasks.textcat and gold.cats:
            self._add_textcat(gold, predicted)

    def _add_textcat(self, gold: Doc, predicted: Doc) -> None:
        self._n_texts += 1
        if self._threshold:
            self._multilabel.add(gold.cats, predicted.cats)
            if sum(value >= 0.5 for value in gold.cats.values()) != 1:
                return
        label = gold_label(gold)
        if label is not None:
            # max() takes the first of equals: the same label on every machine.
            best = max(predicted.cats, key=lambda name: predicted.cats[name], default="")
            self._textcat.add(label, best)
            if best:
                self._calibrate("textcat", [predicted.cats[best]], [best == label])

    def _add_ner(self, gold: Doc, predicted: Doc) -> None:
        self._has_ner = True
        spans = _spans(gold)
        found = _spans(predicted)
        self._ner.add(spans, found)
        self._confuse_spans(spans, found)
        if "ner" in self._calibrations:
            right = set(spans)
            sure = [ent._.confidence for ent in predicted.ents]
            self._calibrate("ner", sure, [span in right for span in found])
        self._n_off_boundaries += sum(
            predicted.char_span(begin, end) is None for begin, end, _ in spans
        )

    def _confuse_spans(
        self, gold: list[tuple[int, int, str]], predicted: list[tuple[int, int, str]]
    ) -> None:
        types = {(begin, end): label for begin, end, label in predicted}
        extents = {(begin, end) for begin, end, _ in gold}
        for begin, end, label in gold:
            self._confusions["ner"].add(label, types.get((begin, end), NOTHING))
        for begin, end, label in predicted:
            if (begin, end) not in extents:
                self._confusions["ner"].add(NOTHING, label)

    def _add_pos(self, gold: Doc, predicted: Doc, attribute: str) -> None:
        tags = gold_tags(gold)
        if tags is None:
            return
        found = predicted_tags(predicted, attribute)
        aligned = by_extent(gold, predicted, found)
        self._pos.add(tags, aligned)
        if "pos" in self._calibrations:
            wanted = by_extent(predicted, gold, tags)
            rows = [
                (token._.pos_confidence, gold_tag == tag)
                for token, tag, gold_tag in zip(predicted, found, wanted, strict=True)
                if gold_tag
            ]
            self._calibrate("pos", [row[0] for row in rows], [row[1] for row in rows])
        for gold_tag, tag in zip(tags, aligned, strict=True):
            if gold_tag:
                self._confusions["pos"].add(gold_tag, tag or NOTHING)
        self._n_predicted_words += sum(not token.is_space for token in predicted)
        if None in aligned:
            # A component that merges tokens: there is no sequence of tags to make chunks of.
            self._chunks_valid = False
        if self.gold_tokens and self._chunks_valid:
            for chunks in self._chunks.values():
                chunks.add(tags, [tag or "" for tag in aligned])

    def _calibrate(self, task: str, sure: list[float | None], right: list[bool]) -> None:
        if task not in self._calibrations:
            return
        if None in sure:
            raise ValueError(
                f"{task}: found predictions without a confidence, expected one for each. Fix: "
                "dlfa calibrate adds the component dlfa_confidence and fits it."
            )
        self._calibrations[task].add([float(value or 0.0) for value in sure], right)

    def calibrations(self) -> dict[str, dict[str, Any]]:
        """RETURNS (Dict[str, Dict[str, Any]]): By task, see `Calibration.to_dict`."""
        return {task: made.to_dict() for task, made in self._calibrations.items() if made.n}

    def scores(self) -> dict[str, float]:
        """Compute the metrics, for the tasks that pipeline and gold Docs both have.

        RETURNS (Dict[str, float]): Scores from 0 to 1 by the names in `names.METRICS`.
        """
        scores: dict[str, float] = {}
        if self._has_ner:
            scores["ner_span_f1"] = self._ner.f1
            scores["ner_span_precision"] = self._ner.precision
            scores["ner_span_recall"] = self._ner.recall
        if self._pos.n_gold:
            scores["pos_token_accuracy"] = self._pos.accuracy
            if self.gold_tokens and self._chunks_valid:
                for rules, chunks in self._chunks.items():
                    scores[f"pos_chunk_f1_{rules}"] = chunks.f1
            if not self.gold_tokens:
                scores["pos_word_f1"] = f1(
                    self._pos.n_correct, self._n_predicted_words, self._pos.n_gold
                )
        scores |= {name: made.accuracy for name, made in self._tokens.items() if made.n_gold}
        # Where every text is one sentence there is nothing to find.
        if self._several_sentences:
            scores["sentences_f1"] = self._sentences.f1
        if self._has_groups:
            scores["spancat_f1"] = self._groups.f1
        # With a multi-label classifier, only where every text has one label after all.
        if self._n_texts and self._textcat.counts.total() == self._n_texts:
            scores["textcat_accuracy"] = accuracy(self._textcat)
            scores["textcat_macro_f1"] = macro_f1(self._textcat)
        if self._n_texts:
            for threshold in self._threshold:
                scores["textcat_multilabel_micro_f1"] = self._multilabel.micro_f1(threshold)
                scores["textcat_multilabel_macro_f1"] = self._multilabel.macro_f1(threshold)
        return scores

    def counts(self) -> dict[str, int]:
        """Tell the counts that stand beside the scores.

        RETURNS (Dict[str, int]): Counts by the names in `names.COUNTS`.
        """
        counts: dict[str, int] = {}
        if self._has_ner:
            counts["ner_gold_spans"] = self._ner.gold.total()
            counts["ner_predicted_spans"] = self._ner.predicted.total()
            counts["ner_gold_spans_off_token_boundaries"] = self._n_off_boundaries
        if self._pos.n_gold:
            counts["pos_gold_tokens"] = self._pos.n_gold
            counts["pos_misaligned_gold_tokens"] = self._pos.n_misaligned
        for metric, made in self._tokens.items():
            if made.n_gold:
                counts[f"{task_of(metric)}_gold_tokens"] = made.n_gold
        if self._several_sentences:
            counts["sentences_gold_sentences"] = self._sentences.gold.total()
        if self._has_groups:
            counts["spancat_gold_spans"] = self._groups.gold.total()
        if self._n_texts:
            counts["textcat_texts"] = self._n_texts
        return counts

    def confusions(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return the confusions.

        RETURNS (Dict[str, Dict[str, Dict[str, int]]]): By task, count by predicted label by gold
            label. Of NER, spans of the same extent; `NOTHING` stands for none there. Of POS, gold
            tokens; `NOTHING` stands for no token of that extent. None for several labels at once.
        """
        tables = {name: confusion.table() for name, confusion in self._confusions.items()}
        if self._textcat.counts.total() == self._n_texts:
            tables["textcat"] = self._textcat.table()
        return {name: table for name, table in sorted(tables.items()) if table}

    def multilabel_per_threshold(self) -> dict[str, dict[str, float]]:
        """Tell the F1 of several labels at once at each threshold.

        RETURNS (Dict[str, Dict[str, float]]): See `MultiLabelF1.per_threshold`; empty for
            exclusive classes.
        """
        return self._multilabel.per_threshold() if self._threshold and self._n_texts else {}

    def ner_f1_per_type(self) -> dict[str, float]:
        """F1 of each entity type.

        RETURNS (Dict[str, float]): F1 by type; empty without entities.
        """
        return self._ner.per_type() if self._has_ner else {}
