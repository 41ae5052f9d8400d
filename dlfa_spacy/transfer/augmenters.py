"""The augmenters as they stand in a config."""

from functools import partial

from ..checks import check_choice, check_number
from .word_switcher import (
    BOTH,
    FIRST,
    JOIN,
    KEEP,
    KNOWN,
    LANGUAGE,
    LOWER,
    RESTORE,
    SECOND,
    SKIP,
    SwitchSettings,
    WordSwitcher,
)
from .word_tables import WordTable, induce_translations, read_synonyms, read_translations

SECTION = "[corpora.train.augmenter]"
CHOICES = {
    "choose": (LANGUAGE, KNOWN),
    "case": (RESTORE, LOWER, KEEP),
    "multiword": (SKIP, JOIN),
    "sides": (BOTH, FIRST, SECOND),
}


def build_code_switch_v1(
    dictionaries: str | None = None,
    parallel: str | None = None,
    languages: list[str] | None = None,
    sentence_rate: float = 1.0,
    token_rate: float = 0.5,
    warmup: int = 0,
    choose: str = "language",
    case: str = "restore",
    multiword: str = "skip",
    protect_ents: bool = True,
    sides: str = "both",
    keep_original: bool = False,
    keep_morph: bool = False,
    seed: int = 0,
) -> WordSwitcher:
    """Replace English words by translations, in another way on every pass, so that the components
    learn to read words of many languages in one context. It works with every component, needs no
    parallel text, and leaves tokens and annotation as they are.

    spaCy makes a new pass for each epoch with `[training] max_epochs = -1`; with any other number
    it makes one for all. Choosing the languages that are scored later is zero-shot in labels, not
    in languages: name them beside the scores.

    dictionaries (Optional[str]): Folder of dictionaries in MUSE's format, `en-<xx>.txt` or
        `<xx>-en.txt`.
    parallel (Optional[str]): Parallel text to induce dictionaries from, where there are none: a
        file or a folder, as `dlfa align` reads it.
    languages (Optional[List[str]]): Only these; null for all.
    sentence_rate (float): Share of texts in which words may be replaced. CoSDA-ML: 1.0.
    token_rate (float): Share of their words that are looked up. CoSDA-ML: 0.4 to 0.9 by task. How
        many are replaced depends on the dictionaries; the log and the pipeline's `meta.json` say.
    warmup (int): Texts over which `token_rate` grows from 0, evenly.
    choose (str): `"language"` draws a language, then looks the word up, as CoSDA-ML does; a word
        that one of two dictionaries has is replaced half as often. `"known"` draws among the
        dictionaries that have the word.
    case (str): `"restore"` writes a translation with the capitals of the English word, `"lower"` in
        small letters, `"keep"` as it stands in the dictionary.
    multiword (str): `"skip"` leaves out translations of several words, `"join"` takes them as one
        token.
    protect_ents (bool): Words of entities stay. CoSDA-ML replaces them.
    sides (str): Of a pair of texts, which may be switched: `"both"`, each for itself, `"first"` or
        `"second"`.
    keep_original (bool): Pass on the text as it was, too. It doubles the texts: compare runs at
        equal steps, not at equal epochs.
    keep_morph (bool): A translation keeps the morphological features of the English word. By
        default it has none, and a morphologizer learns nothing from it.
    seed (int): Of everything that is drawn.
    CREATES: An augmenter, for the training corpus alone. It reads its tables at the first text.
    RAISES (ValueError): A setting is out of range; at the first text, there are no translations.

    Source: Qin et al. 2020 (CoSDA-ML), algorithm 1.

    ```ini
    [training]
    max_epochs = -1

    [corpora.train.augmenter]
    @augmenters = "dlfa_spacy.code_switch.v1"
    dictionaries = "dictionaries"
    languages = ["de", "es", "ru"]
    token_rate = 0.5
    ```
    """
    if (dictionaries is None) == (parallel is None):
        raise ValueError(
            f"{SECTION} dictionaries = {dictionaries!r}, parallel = {parallel!r}: expected one of "
            "them. Fix: name a folder of MUSE dictionaries, or parallel text to induce them from."
        )
    settings = SwitchSettings(
        sentence_rate=sentence_rate,
        token_rate=token_rate,
        warmup=warmup,
        choose=choose,
        case=case,
        multiword=multiword,
        protect_ents=protect_ents,
        sides=sides,
        keep_original=keep_original,
        keep_morph=keep_morph,
        seed=seed,
    )
    _check(settings)
    if parallel is not None:
        read = partial(induce_translations, parallel, languages)
    else:
        read = partial(read_translations, str(dictionaries), languages)
    return WordSwitcher(read, settings, "code_switch")


def build_synonyms_v1(
    path: str,
    sentence_rate: float = 1.0,
    token_rate: float = 1.0,
    warmup: int = 0,
    case: str = "restore",
    multiword: str = "skip",
    protect_ents: bool = True,
    keep_self: bool = True,
    sides: str = "both",
    keep_original: bool = False,
    seed: int = 0,
) -> WordSwitcher:
    """Replace words by synonyms: training that is robust against small changes of a text, of which
    a translation is one (RS-DA). Also the control of `dlfa_spacy.code_switch.v1`, at its rate.

    path (str): A JSON file, word -> list of words, as Robust-XLT has it, or lines of words with
        tabs between them.
    keep_self (bool): A word that is looked up stays with the same probability as each of its
        synonyms has. RS-DA does so; as a control of code switching turn it off.

    The other arguments are those of `dlfa_spacy.code_switch.v1`.
    CREATES: An augmenter, for the training corpus alone. It reads its table at the first text.
    RAISES (ValueError): A setting is out of range; at the first text, the file has no synonyms.

    Source: Huang et al. 2021, section 3.3 (RS-DA).

    ```ini
    [corpora.train.augmenter]
    @augmenters = "dlfa_spacy.synonyms.v1"
    path = "synonyms.json"
    ```
    """
    settings = SwitchSettings(
        sentence_rate=sentence_rate,
        token_rate=token_rate,
        warmup=warmup,
        choose=KNOWN,
        case=case,
        multiword=multiword,
        protect_ents=protect_ents,
        sides=sides,
        keep_self=keep_self,
        keep_original=keep_original,
        keep_morph=True,
        seed=seed,
    )
    _check(settings)
    return WordSwitcher(partial(_english, path), settings, "synonyms")


def _english(path: str) -> dict[str, WordTable]:
    return {"en": read_synonyms(path)}


def _check(settings: SwitchSettings) -> None:
    for name in ("sentence_rate", "token_rate"):
        value = getattr(settings, name)
        check_number(f"{SECTION} {name}", value, 0 <= value <= 1, "a share from 0 to 1", 0.5)
    texts = settings.warmup
    check_number(f"{SECTION} warmup", texts, texts >= 0, "a number of texts", 0)
    for name, choices in CHOICES.items():
        check_choice(f"{SECTION} {name}", getattr(settings, name), choices)
