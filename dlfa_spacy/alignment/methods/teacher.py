"""Both languages take the sentence vectors that a monolingual teacher has for the English side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...encoder.storage.loading import load_encoder, max_wordpieces
from ..losses import squared_distance
from ..training.batch import Batch
from ..training.method import Method
from ..training.vectors import last_layer, sentence_means
from .frozen import Frozen


@dataclass(frozen=True)
class TeacherSettings:
    """Settings of training with a teacher.

    teacher (str): Folder or Hub name of an encoder that reads English, as wide as the one that
        learns; of sentence vectors that are means of its wordpieces.
    """

    teacher: str = ""


class Teacher(Method):
    """L = mean_b [ ||M^(s_b) - M(t_b)||^2 + ||M^(t_b) - M(t_b)||^2 ] / E, with M the teacher, t_b
    English and s_b its translation; means of wordpieces, not normalized.

    Source: Reimers & Gurevych 2020 (Making Monolingual Sentence Embeddings Multilingual using
    Knowledge Distillation), eq. 1.
    """

    settings_class = TeacherSettings

    def __init__(self, encoder: Any, tokenizer: Any, settings: TeacherSettings, objects: Any):
        super().__init__(encoder, tokenizer, settings)
        self.teacher = Frozen(objects.transformer)
        # A tokenizer is no module.
        self.teacher_tokenizer = objects.tokenizer
        self.longest = max_wordpieces(objects.transformer, objects.tokenizer)
        self._known: dict[str, Tensor] = {}
        width = int(objects.transformer.config.hidden_size)
        if width != self.width:
            raise ValueError(
                f'teacher = "{settings.teacher}": its width is {width}, that of the encoder '
                f"{self.width}. Expected the same. Fix: another teacher, or another encoder."
            )

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> "Teacher":
        if not settings.teacher:
            raise ValueError(
                'teacher = "": found no name, expected an encoder that reads English. Fix: --set '
                "teacher=FOLDER."
            )
        return cls(encoder, tokenizer, settings, load_encoder(settings.teacher, {}, {}))

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        foreign, english = (
            sentence_means(last_layer(self.encoder, side), side.mask)
            for side in (batch.source, batch.target)
        )
        goal = self.vectors(batch.english).to(english)
        translated = squared_distance(foreign, goal)
        stays = squared_distance(english, goal)
        return {"loss": translated + stays, "foreign": translated, "english": stays}

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """RETURNS (Tensor): `(n, E)` of the teacher, which reads each text once, in float32."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            device = next(self.teacher.parameters()).device
            found = self.teacher_tokenizer(
                new, padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
            ).to(device)
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                ids, mask = found["input_ids"], found["attention_mask"]
                states = self.teacher(ids, attention_mask=mask).last_hidden_state
            means = sentence_means(states, mask)
            self._known.update(zip(new, means.cpu(), strict=True))
        return torch.stack([self._known[text] for text in texts])
