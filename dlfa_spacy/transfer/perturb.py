"""Training against small changes of the embeddings, of which a translation is thought to be one."""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from spacy.language import Language
from spacy.training import Example
from torch import Tensor, nn

from ..checks import check_choice, check_number
from ..encoder.model import TransformerModel
from ..pipeline.encoders import encoder_of
from .reference import SECTION

RANDOM, ADVERSARIAL = "random", "adversarial"


def random_in_ball(like: Tensor, radius: float) -> Tensor:
    """RETURNS (Tensor): `(..., E)` for each row a point drawn evenly from the ball."""
    direction = torch.randn_like(like)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    width = like.shape[-1]
    return radius * torch.rand_like(like[..., :1]) ** (1 / width) * direction


def worst_in_ball(gradient: Tensor, radius: float) -> Tensor:
    """RETURNS (Tensor): `(..., E)` radius * g / ||g||, for each row; 0 where there is no gradient.

    Source: Miyato et al. 2017 (FGM), eq. 5.
    """
    norms = gradient.norm(dim=-1, keepdim=True)
    return radius * gradient / norms.clamp(min=torch.finfo(gradient.dtype).tiny)


@dataclass
class Perturbation:
    """The callback that `build_perturb_v1` makes. Copied and pickled it is as before its first
    step: hooks and gradients belong to one process.

    mode (str): "random" or "adversarial".
    radius (float): Of the ball, for each wordpiece.
    component (str): Name of the encoder's component.
    """

    mode: str
    radius: float
    component: str
    # What the embeddings of a batch get, bucket by bucket: gradients of the first pass.
    _gradients: list[Tensor | None] = field(default_factory=list, repr=False)
    _adding: bool = field(default=False, repr=False)
    _hooked: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_gradients": [], "_adding": False, "_hooked": None}

    def __call__(self, nlp: Language, progress: dict[str, Any]) -> None:
        """Put the hooks in, at the first step of a training.

        nlp (Language): The pipeline, about to be updated.
        progress (Dict[str, Any]): Not used.
        RAISES (ValueError): The component has no dlfa_spacy encoder, or one whose embeddings cannot
            be told from the rest.
        """
        model = encoder_of(nlp, self.component, SECTION)
        embeddings = _embeddings(model)
        if self.radius == 0 or (self._hooked is not None and self._hooked() is embeddings):
            return
        self._hooked = weakref.ref(embeddings)
        embeddings.register_forward_hook(self._hook)
        if self.mode == ADVERSARIAL:
            plain = nlp.update

            def update(examples: Iterable[Example], _: Any = None, **settings: Any) -> Any:
                return self._update(plain, list(examples), settings)

            nlp.update = update  # type: ignore[method-assign]

    def _update(
        self, plain: Callable[..., Any], examples: list[Example], settings: dict[str, Any]
    ) -> Any:
        """Update twice, as the texts are and as they are hardest, and step once, on the sum."""
        self._gradients = []
        losses = plain(examples, **{**settings, "sgd": False})
        self._adding = True
        try:
            plain(examples, **{**settings, "losses": {}})
        finally:
            self._adding = False
            self._gradients = []
        return losses

    def _hook(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if not module.training or not torch.is_grad_enabled():
            return output
        if self.mode == RANDOM:
            return output + random_in_ball(output, self.radius)
        if self._adding:
            gradient = self._gradients.pop(0) if self._gradients else None
            return output if gradient is None else output + worst_in_ball(gradient, self.radius)
        # Frozen embeddings have no gradient of their own.
        found = output if output.requires_grad else output.detach().requires_grad_()
        place = len(self._gradients)
        self._gradients.append(None)

        def keep(gradient: Tensor) -> None:
            known = self._gradients[place]
            self._gradients[place] = gradient if known is None else known + gradient

        found.register_hook(keep)
        return found


def build_perturb_v1(
    mode: str = "random", radius: float = 1.0, component: str = "transformer"
) -> Callable[[Language, dict[str, Any]], None]:
    """Experimental. Train on embeddings that are not quite those of the text.

    mode (str): `"random"` adds to each wordpiece of a training text a point of a ball, drawn anew
        each time (RS-RP). `"adversarial"` trains on each batch twice, as it is, and with the change
        of that length that raises the loss most, to first order (ADV, by FGM); it costs twice the
        time.
    radius (float): Of the ball, for each wordpiece; 0 changes nothing. The embeddings of the
        bundled encoder have a length of 7.4 in the mean.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].
    RAISES (ValueError): A setting is out of range.

    Source: Huang et al. 2021 (Improving Zero-Shot Cross-Lingual Transfer Learning via Robust
    Training), section 3, as far as is known from memory; Miyato et al. 2017 (FGM).

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.perturb.v1"
    mode = "random"
    radius = 1.0
    ```
    """
    check_choice(f"{SECTION} mode", mode, (RANDOM, ADVERSARIAL))
    check_number(f"{SECTION} radius", radius, radius >= 0, "0 or more", 1.0)
    return Perturbation(mode, radius, component)


def _embeddings(model: TransformerModel) -> nn.Module:
    found = getattr(model.transformer, "embeddings", None)
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"{SECTION} the encoder ({type(model.transformer).__name__}) has no module called "
            "embeddings, whose output could be changed. Expected one like BERT's. Fix: leave "
            "perturb.v1 out, or use another encoder."
        )
    return cast(nn.Module, found)
