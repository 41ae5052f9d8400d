"""Install dlfa_spacy. Everything is registered through entry points: nobody has to import it."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
ABOUT: dict[str, str] = {}
exec((HERE / "dlfa_spacy" / "about.py").read_text(encoding="utf-8"), ABOUT)

ENTRY_POINTS = {
    "console_scripts": ["dlfa = dlfa_spacy.cli:main"],
    "spacy_cli": ["dlfa = dlfa_spacy.cli.spacy_group:app"],
    "spacy_factories": [
        "dlfa_transformer = dlfa_spacy.pipeline.component:make_dlfa_transformer",
        "dlfa_doc_cleaner = dlfa_spacy.pipeline.cleaner:make_dlfa_doc_cleaner",
        "dlfa_confidence = dlfa_spacy.pipeline.confidence.component:make_confidence",
        "dlfa_sentence_vectors = dlfa_spacy.pipeline.sentence_vectors:make_sentence_vectors",
        "dlfa_language = dlfa_spacy.pipeline.detect_language:make_language",
    ],
    "spacy_architectures": [
        "dlfa_spacy.TransformerModel.v1 = "
        "dlfa_spacy.layers.architectures:build_transformer_model_v1",
        "dlfa_spacy.TransformerListener.v1 = "
        "dlfa_spacy.layers.architectures:build_transformer_listener_v1",
        "dlfa_spacy.Tok2VecTransformer.v1 = "
        "dlfa_spacy.layers.architectures:build_tok2vec_transformer_v1",
        "dlfa_spacy.TextCat.v1 = dlfa_spacy.layers.textcat:build_textcat_v1",
        "dlfa_spacy.MappedTokens.v1 = dlfa_spacy.alignment.mapped_tokens:build_mapped_tokens_v1",
    ],
    "thinc_layers": [
        "dlfa_spacy.LayerAttention.v1 = "
        "dlfa_spacy.aggregators.layer_attention:build_layer_attention_v1",
        "dlfa_spacy.DoubleLayerFusion.v1 = "
        "dlfa_spacy.aggregators.double_layer_fusion:build_double_layer_fusion_v1",
        "dlfa_spacy.ScalarMix.v1 = dlfa_spacy.aggregators.scalar_mix:build_scalar_mix_v1",
        "dlfa_spacy.MeanLayers.v1 = dlfa_spacy.aggregators.mean_layers:build_mean_layers_v1",
        "dlfa_spacy.SelectedLayers.v1 = "
        "dlfa_spacy.aggregators.selected_layers:build_selected_layers_v1",
        "dlfa_spacy.LastLayer.v1 = dlfa_spacy.aggregators.last_layer:build_last_layer_v1",
    ],
    "spacy_span_getters": [
        "dlfa_spacy.wordpiece_spans.v1 = dlfa_spacy.encoder.segment.spans:wordpiece_spans_v1",
    ],
    "spacy_tokenizers": [
        "dlfa_spacy.MultilingualTokenizer.v1 = "
        "dlfa_spacy.tokenizer:build_multilingual_tokenizer_v1",
    ],
    "spacy_callbacks": [
        "dlfa_spacy.freeze_layers.v1 = dlfa_spacy.pipeline.callbacks:build_freeze_layers_v1",
        "dlfa_spacy.gradual_unfreezing.v1 = "
        "dlfa_spacy.pipeline.callbacks:build_gradual_unfreezing_v1",
        "dlfa_spacy.reinit_layers.v1 = dlfa_spacy.pipeline.callbacks:build_reinit_layers_v1",
        "dlfa_spacy.ear.v1 = dlfa_spacy.transfer.ear:build_ear_v1",
        "dlfa_spacy.realign.v1 = dlfa_spacy.transfer.joint:build_realign_v1",
        "dlfa_spacy.adjust.v1 = dlfa_spacy.transfer.joint:build_adjust_v1",
        "dlfa_spacy.perturb.v1 = dlfa_spacy.transfer.perturb:build_perturb_v1",
        "dlfa_spacy.preserve.v1 = dlfa_spacy.transfer.preserve:build_preserve_v1",
    ],
    "spacy_augmenters": [
        "dlfa_spacy.code_switch.v1 = dlfa_spacy.transfer.augmenters:build_code_switch_v1",
        "dlfa_spacy.synonyms.v1 = dlfa_spacy.transfer.augmenters:build_synonyms_v1",
    ],
    "spacy_readers": [
        "dlfa_spacy.StreamingCorpus.v1 = dlfa_spacy.corpora.streaming:create_streaming_corpus",
    ],
    "spacy_displacy_colors": ["dlfa_spacy.ner.v1 = dlfa_spacy.pipeline.colors:ENTITY_COLORS"],
    "spacy_loggers": [
        "dlfa_spacy.layer_weights_logger.v1 = "
        "dlfa_spacy.pipeline.loggers:build_layer_weights_logger_v1",
    ],
}

# On a package index links must be absolute: DLFA_REPOSITORY=https://github.com/ORG/dlfa_spacy.
REPOSITORY = os.environ.get("DLFA_REPOSITORY", "")


def readme() -> str:
    """RETURNS (str): The front page, its links into the repository at this version, if that is
    known."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if not REPOSITORY:
        return text
    at = f"v{ABOUT['__version__']}"
    text = re.sub(r"(!\[[^]]*\]\()(?!\w+:|#)", rf"\1{REPOSITORY}/raw/{at}/", text)
    return re.sub(r"(?<!!)(\[[^]]*\]\()(?!\w+:|#)", rf"\1{REPOSITORY}/blob/{at}/", text)


# docs/install.md says why a lower bound is where it is.
ACCELERATE = ["accelerate>=1.0"]
ANALYSIS = ["matplotlib>=3.8", "pandas>=2.2", "scikit-learn>=1.5"]
REPORT = ["matplotlib>=3.8", "pandas>=2.2", "scipy>=1.13"]
PARQUET = ["pyarrow>=14"]
SERVE = ["fastapi>=0.115,<1.0", "uvicorn>=0.30,<1.0"]
ONNX = ["onnx>=1.16", "onnxruntime>=1.19"]
# What the tests need; requirements-test.txt pins it, and what lints.
TEST = [
    "hypothesis>=6.100",
    "pytest>=8.2",
    "pytest-xdist>=3.5",
    "schemathesis>=4.0",
    "seqeval>=1.2",
    *ACCELERATE,
    *ANALYSIS,
    *REPORT,
    *ONNX,
    *PARQUET,
    *SERVE,
]

setup(
    name="dlfa-spacy",
    version=ABOUT["__version__"],
    description="Zero-shot cross-lingual transfer with spaCy, through every layer of a "
    "multilingual transformer",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="MIT",
    author="The dlfa_spacy developers",
    url=REPOSITORY,
    keywords="spacy transformers multilingual zero-shot cross-lingual named-entity-recognition",
    # The configs lie at the top of the repository, where a person looks for them, and inside the
    # package once it is installed, where `dlfa init-config` does.
    packages=[
        *find_packages(include=["dlfa_spacy", "dlfa_spacy.*"]),
        "dlfa_spacy.configs",
        "dlfa_spacy.configs.aggregations",
        "dlfa_spacy.configs.components",
        "dlfa_spacy.configs.heads",
        "dlfa_spacy.configs.plans",
    ],
    package_dir={
        "dlfa_spacy": "dlfa_spacy",
        "dlfa_spacy.configs": "configs",
        "dlfa_spacy.configs.aggregations": "configs/aggregations",
        "dlfa_spacy.configs.components": "configs/components",
        "dlfa_spacy.configs.heads": "configs/heads",
        "dlfa_spacy.configs.plans": "configs/plans",
    },
    package_data={"": ["py.typed", "*.cfg", "*.css", "*.html", "*.js", "*.json", "*.md"]},
    include_package_data=True,
    python_requires=">=3.10,<3.15",
    install_requires=[
        "spacy>=3.8.2,<3.9",
        # It does not take transformers after 4.53.2.
        "spacy-transformers>=1.4,<1.5",
        "thinc>=8.3,<8.4",
        "numpy>=2.0",
        # spaCy and thinc bring it; plans are checked with it.
        "pydantic>=2.5,<3.0",
        "srsly>=2.4.3,<3.0",
        "torch>=2.6",
        "transformers>=4.48",
        # transformers brings them.
        "tokenizers>=0.21",
        "huggingface-hub>=0.25",
        "safetensors>=0.4",
        "filelock>=3.12",
        "typer>=0.20",
        "rich>=13.0",
        "tqdm>=4.60",
        "jinja2>=3.0",
    ],
    extras_require={
        "accelerate": ACCELERATE,
        "analysis": ANALYSIS,
        # A wheel of 96 MB, and so not among what the tests need: they have a small twin of it, and
        # run against the real one where it is installed.
        "language": ["lingua-language-detector>=2.1,<3.0"],
        "onnx": ONNX,
        "parquet": PARQUET,
        # A wheel of 76 MB, and tests of a minute: they run where it is installed.
        "ray": ["ray[data]>=2.51,<3.0"],
        "report": REPORT,
        "serve": SERVE,
        "test": TEST,
    },
    entry_points=ENTRY_POINTS,
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: MIT License",
        "Natural Language :: English",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
)
