"""How long, how fast, how much at once."""

from dataclasses import dataclass

from ...checks import check_choice, check_number


@dataclass(frozen=True)
class TrainSettings:
    """Settings of the loop.

    steps (int): Steps of the optimizer.
    batch_size (int): Pairs per batch.
    accumulate (int): Batches per step. Contrastive losses see one batch at a time: accumulating
        makes the gradient steadier, and gives them no more negatives.
    learn_rate (float): Peak learning rate.
    warmup (float): Fraction of the steps in which it rises from 0.
    schedule (str): Then `"linear"` to 0, or `"constant"`.
    weight_decay (float): Of AdamW, for matrices.
    clip (float): Global gradient norm; 0 for no limit.
    bf16 (bool): bfloat16 autocast on a device that computes in it; elsewhere nothing. Losses are
        computed in float32 in any case.
    eval_every (int): Steps between two evaluations on held-out text; 0: at the end only.
    patience (int): Stop after this many evaluations without a better score and keep the best
        weights; 0: never.
    save_every (int): Steps between two checkpoints; 0 for none.
    seed (int): Of order, masks, dropout.
    """

    steps: int = 1000
    batch_size: int = 32
    accumulate: int = 1
    learn_rate: float = 2e-5
    warmup: float = 0.1
    schedule: str = "linear"
    weight_decay: float = 0.0
    clip: float = 1.0
    bf16: bool = False
    eval_every: int = 0
    patience: int = 0
    save_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for name, usual in (("steps", 1000), ("batch_size", 32), ("accumulate", 1)):
            check_number(name, getattr(self, name), getattr(self, name) >= 1, "1 or more", usual)
        rate = self.learn_rate
        check_number("learn_rate", rate, rate > 0, "a number above 0", 2e-5)
        check_number("warmup", self.warmup, 0 <= self.warmup <= 1, "0 to 1", 0.1)
        check_choice("schedule", self.schedule, ("linear", "constant"))
        for name in ("weight_decay", "clip", "eval_every", "patience", "save_every", "seed"):
            check_number(name, getattr(self, name), getattr(self, name) >= 0, "0 or more", 0)


def rate_at(step: int, settings: TrainSettings) -> float:
    """RETURNS (float): The factor of the learning rate in step `step`, counted from 0."""
    warm = round(settings.warmup * settings.steps)
    if step < warm:
        return (step + 1) / warm
    if settings.schedule == "constant":
        return 1.0
    return (settings.steps - step) / max(settings.steps - warm, 1)
