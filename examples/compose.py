"""Use the entities of a trained pipeline inside a pipeline of your own.

    python examples/compose.py xx_dlfa_ner

The `ner` is sourced with a copy of its encoder, so that it depends on nothing else. Beside it
stand three stock components: an entity ruler, a sentencizer and a parser.
"""

from typing import Annotated

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

TEXT = "Maria Lopez moved to Berlin. She works for Nordwind Energy."
PATTERNS = [{"label": "ORG", "pattern": "Nordwind Energy"}]


def compose(model: str, parser: Language) -> Language:
    """RETURNS (Language): A pipeline of four components from three sources."""
    source = spacy.load(model)
    # The ner listens to an encoder that it shares with the tagger. Now it gets a copy of its own.
    source.replace_listeners("transformer", "ner", ["model.tok2vec"])

    # The same tokens as in training: the tokenizer belongs to the pipeline, not to the component.
    tokenizer = source.config["nlp"]["tokenizer"]
    nlp = spacy.blank(source.lang or "xx", config={"nlp": {"tokenizer": tokenizer}})
    # Before the parser: boundaries that are set already are kept.
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("parser", source=parser)
    # Before the ner: entities that are set already are kept, and the ner works around them.
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)  # type: ignore[attr-defined]
    nlp.add_pipe("ner", source=source)
    return nlp


def train_parser() -> Language:
    """RETURNS (Language): A stock parser, trained on two sentences.

    It stands for the one of any pipeline that you have: `spacy.load("en_core_web_sm")`.
    """
    nlp = spacy.blank("xx")
    # Of two sentences, every arc is worth learning.
    nlp.add_pipe("parser", config={"min_action_freq": 1})
    trees = [
        (
            ["Maria", "Lopez", "moved", "to", "Berlin", "."],
            [2, 0, 2, 4, 2, 2],
            ["nsubj", "flat", "ROOT", "case", "obl", "punct"],
        ),
        (
            ["She", "works", "for", "Nordwind", "Energy", "."],
            [1, 1, 3, 1, 3, 1],
            ["nsubj", "ROOT", "case", "obl", "flat", "punct"],
        ),
    ]
    examples = [
        Example.from_dict(
            Doc(nlp.vocab, words=words), {"words": words, "heads": heads, "deps": deps}
        )
        for words, heads, deps in trees
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    return nlp


def main(
    model: Annotated[
        str, typer.Argument(help="A pipeline with an ner: folder or package.")
    ] = "xx_dlfa_ner",
    text: Annotated[str, typer.Option(help="What to read.")] = TEXT,
) -> None:
    """Read a text with a pipeline made of parts."""
    nlp = compose(model, train_parser())
    print("pipeline:", ", ".join(nlp.pipe_names))
    doc = nlp(text)
    for sentence in doc.sents:
        print(f"\n{sentence.text}")
        print("  entities:", [(entity.text, entity.label_) for entity in sentence.ents])
        print("  arcs:", [(token.text, token.dep_, token.head.text) for token in sentence])


if __name__ == "__main__":
    typer.run(main)
