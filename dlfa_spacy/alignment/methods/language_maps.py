"""A linear map for each language; none for English, nor where the language is not known."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FILE = "language_maps.safetensors"


class LanguageMaps(nn.Module):
    """Maps vectors of a language to where English has them: y = (x - mean_lang) W' + mean_en.

    width (int): E.
    languages (Sequence[str]): Languages that have a map; it begins as the identity.

    Source: Wang et al. 2019 (Cross-Lingual BERT Transformation), section 3.
    """

    means: Tensor
    english: Tensor

    def __init__(self, width: int, languages: Sequence[str]):
        super().__init__()
        self.languages = sorted(set(languages) - {"en"})
        eye = torch.eye(width).repeat(len(self.languages), 1, 1)
        self.weights = nn.Parameter(eye)
        self.register_buffer("means", torch.zeros(len(self.languages), width))
        self.register_buffer("english", torch.zeros(len(self.languages), width))

    def index(self, languages: Sequence[str]) -> Tensor:
        """RETURNS (Tensor): `(n,)` int, -1 for a language without a map."""
        known = {name: i for i, name in enumerate(self.languages)}
        return torch.tensor([known.get(name, -1) for name in languages], dtype=torch.long)

    def forward(self, vectors: Tensor, languages: Sequence[str]) -> Tensor:
        """
        vectors (Tensor): `(n, E)`.
        languages (Sequence[str]): `(n,)`, "" where it is not set.
        RETURNS (Tensor): `(n, E)`; rows without a map are the same numbers.
        """
        return self.mapped(vectors, self.index(languages).to(vectors.device))

    def mapped(self, vectors: Tensor, index: Tensor) -> Tensor:
        """`forward`, of `index(languages)` `(n,)`."""
        result = vectors.clone()
        for i in index.unique().tolist():
            if i >= 0:
                rows = index == i
                moved = (vectors[rows].to(self.weights.dtype) - self.means[i]) @ self.weights[i].T
                result[rows] = (moved + self.english[i]).to(vectors.dtype)
        return result

    def save(self, folder: Path) -> None:
        """folder (Path): Where `language_maps.safetensors` is written."""
        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(tensors, folder / FILE, metadata={"languages": json.dumps(self.languages)})

    @classmethod
    def load(cls, folder: str | Path) -> "LanguageMaps":
        """
        folder (Union[str, Path]): The result of `clbt`.
        RETURNS (LanguageMaps): Its maps.
        RAISES (ValueError): There are none.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise ValueError(
                f"{path} is not there. Expected the result of the method clbt. Fix: dlfa align "
                "clbt ENCODER OUT --parallel FOLDER."
            )
        with safe_open(path, "pt") as file_:
            languages = json.loads(file_.metadata()["languages"])
            tensors = {name: file_.get_tensor(name) for name in file_.keys()}  # noqa: SIM118
        maps = cls(tensors["weights"].shape[-1], languages)
        maps.load_state_dict(tensors)
        return maps
