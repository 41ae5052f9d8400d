"""Which examples are in which batch: a function of seed and number, so there is nothing to save."""

from collections.abc import Sequence

import torch


class Order:
    """Every epoch all examples once, newly shuffled; a rest too small for a batch waits for the
    next epoch's order.

    size (int): Examples.
    batch_size (int): Examples per batch.
    seed (int): Of the shuffling.
    """

    def __init__(self, size: int, batch_size: int, seed: int):
        if size < 1:
            raise ValueError("There are no examples. Expected 1 or more. Fix: name other text.")
        self.size = size
        self.batch_size = min(batch_size, size)
        self.batches = size // self.batch_size
        self.seed = seed
        self._epoch = -1
        self._shuffled: list[int] = []

    def __getitem__(self, number: int) -> list[int]:
        """RETURNS (List[int]): The examples of batch `number`, counted from 0 without end."""
        epoch, place = divmod(number, self.batches)
        if epoch != self._epoch:
            self._epoch = epoch
            self._shuffled = torch.randperm(self.size, generator=seeded(self.seed, epoch)).tolist()
        return self._shuffled[place * self.batch_size : (place + 1) * self.batch_size]


class MeaningOrder(Order):
    """The same for groups of examples, none of which is torn apart: a batch has about as many
    examples as asked for, of two groups at least.

    groups (Sequence[Sequence[int]]): Numbers of examples.
    """

    def __init__(self, groups: Sequence[Sequence[int]], batch_size: int, seed: int):
        n_examples = sum(len(group) for group in groups)
        super().__init__(len(groups), max(2, round(batch_size * len(groups) / n_examples)), seed)
        self.groups = groups

    def __getitem__(self, number: int) -> list[int]:
        """RETURNS (List[int]): The examples of batch `number`."""
        return [i for group in super().__getitem__(number) for i in self.groups[group]]


def seeded(seed: int, number: int) -> torch.Generator:
    """RETURNS (Generator): Different for every seed and number."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)


def seed_dropout(seed: int, number: int, process: int) -> None:
    """Set torch's random numbers, for dropout in batch `number` in one of several processes. They
    depend on nothing else, so that there is nothing to save either."""
    torch.manual_seed((seed * 1_000_003 + number) * 10_007 % 2**62 + process)
