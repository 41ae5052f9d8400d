"""The metrics by name: what each is, and which one stands for a task."""

from __future__ import annotations

METRICS: dict[str, str] = {
    "ner_span_f1": "NER, micro-averaged span F1 (exact begin, end and type; equals seqeval)",
    "ner_span_precision": "NER, span precision",
    "ner_span_recall": "NER, span recall",
    "pos_token_accuracy": "POS, share of gold tokens with the right UPOS",
    "pos_chunk_f1_seqeval1": "POS, XTREME's chunk F1 (seqeval 1.x over bare UPOS tags)",
    "pos_chunk_f1_seqeval0": "POS, XTREME's chunk F1 (seqeval 0.0.12 over bare UPOS tags)",
    "pos_word_f1": "POS, F1 over words with the right extent and UPOS (CoNLL 2018; raw text only)",
    "morphologizer_accuracy": "Morphology, share of gold tokens with all features right",
    "parser_las": "Parsing, share of gold tokens with the right head and relation (CoNLL 2018: "
    "without subtypes, punctuation counted)",
    "parser_uas": "Parsing, share of gold tokens with the right head",
    "sentences_f1": "Sentences, F1 over sentences with the right begin and end",
    "spancat_f1": "Spans, micro-averaged F1 (exact begin, end, group and label)",
    "textcat_accuracy": "Text classification, accuracy",
    "textcat_macro_f1": "Text classification, F1 of each label, unweighted mean",
    "textcat_multilabel_micro_f1": "Several labels at once, F1 over all decisions together",
    "textcat_multilabel_macro_f1": "Several labels at once, F1 of each label, unweighted mean",
}

# Counts that stand beside the scores, with what they count.
COUNTS: dict[str, str] = {
    "ner_gold_spans": "gold entities",
    "ner_predicted_spans": "predicted entities",
    "ner_gold_spans_off_token_boundaries": (
        "gold entities that no predicted tokens can make up, hence lost whatever is predicted"
    ),
    "pos_gold_tokens": "gold tokens with a UPOS tag",
    "pos_misaligned_gold_tokens": "gold tokens without a predicted token of the same extent",
    "morphologizer_gold_tokens": "gold tokens with features, or known to have none",
    "parser_gold_tokens": "gold tokens of a tree",
    "sentences_gold_sentences": "gold sentences",
    "spancat_gold_spans": "gold spans",
    "textcat_texts": "texts with a gold label",
}

MAIN: dict[str, str] = {
    "ner": "ner_span_f1",
    "pos": "pos_token_accuracy",
    "morphologizer": "morphologizer_accuracy",
    "parser": "parser_las",
    "sentences": "sentences_f1",
    "spancat": "spancat_f1",
    "textcat": "textcat_accuracy",
}


def task_of(metric: str) -> str:
    """Tell the task that a metric belongs to.

    metric (str): Name of a metric, e.g. `ner_span_f1`.
    RETURNS (str): `ner`, `pos`, `parser`, ...: as in `dlfa init-config --task`.
    """
    return metric.partition("_")[0]


SHORT: dict[str, str] = {
    "ner_span_f1": "NER span F1",
    "ner_span_precision": "precision",
    "ner_span_recall": "recall",
    "pos_token_accuracy": "POS accuracy",
    "pos_chunk_f1_seqeval1": "POS chunk F1",
    "pos_chunk_f1_seqeval0": "POS chunk F1 (0.0.12)",
    "pos_word_f1": "POS word F1",
    "morphologizer_accuracy": "morphology accuracy",
    "parser_las": "LAS",
    "parser_uas": "UAS",
    "sentences_f1": "sentence F1",
    "spancat_f1": "spans F1",
    "textcat_accuracy": "accuracy",
    "textcat_macro_f1": "macro F1",
    "textcat_multilabel_micro_f1": "multi-label micro F1",
    "textcat_multilabel_macro_f1": "multi-label macro F1",
}
