"""One Linear layer in every way that a processor has."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import products


def test_every_way_multiplies_by_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 32).eval(), torch.randn(16, 64)
    found = {}

    def multiply(made: nn.Module, rows: torch.Tensor) -> None:
        with torch.inference_mode():
            found[len(found)] = made(rows).float()

    monkeypatch.setattr(products, "repeat", multiply)
    before = torch.backends.quantized.engine
    made = products.systems(layer, x, threads=1)
    assert torch.backends.quantized.engine == before
    for name, run in made.items():
        if "ONNX" not in name:
            run()
    expected = layer(x).detach()
    error = [float((y - expected).abs().mean() / expected.abs().mean()) for y in found.values()]
    assert len(error) == len(made) - 1 and max(error) < 0.05 and error[0] == 0


def test_a_table_goes_to_its_place_on_a_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(products, "SHAPES", ((8, 16),))
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- dlfa:products -->\n<!-- dlfa:products -->\n", encoding="utf-8")
    products.main(wordpieces=4, rounds=1, threads=1, page=page)
    text = page.read_text(encoding="utf-8")
    assert "| fp32 | 1.00 |" in text and "as shipped |" in text and "ONNX Runtime |" in text
