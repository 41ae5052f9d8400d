"""What the runs of a sweep load, loaded once: they are forked off a process that imported this."""

from __future__ import annotations

from transformers import MODEL_MAPPING

# AutoModel imports the configurations of all its architectures, for seconds, when it makes its
# first encoder.
MODEL_MAPPING.keys()
