"""What is measured of an alignment, said before it begins and done when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...alignment.methods import METHODS
from ...parallel.linked_text import by_language, read_linked_texts
from ...parallel.pair import SentencePair
from ...runs.plan import Plan
from .report import Report, compare, write_report
from .zero_shot import ZeroShot, make_zero_shot_plan, zero_shot_rows


@dataclass(frozen=True)
class ReportSettings:
    """What a report measures.

    folder (Path): Where it is written.
    parallel (Optional[Path]): Parallel text to measure with; by default the held-out pairs.
    limit (int): Pairs per language; 0 for all.
    dictionaries (str): Folder of <xx>-en.txt (MUSE) to link words; "" induces them from the text.
    zero_shot (Optional[ZeroShot]): What both encoders are fine-tuned on; None for nothing.
    plot (bool): Draw plots too.
    """

    folder: Path
    parallel: Path | None = None
    limit: int = 500
    dictionaries: str = ""
    zero_shot: ZeroShot | None = None
    plot: bool = True

    def plan(self, method: str, encoder: str, out: Path) -> Plan | None:
        """RETURNS (Optional[Plan]): Of the sweep over both encoders, checked before hours are spent
        on training.
        RAISES (ValueError): It cannot be, or the method changes no encoder."""
        if self.zero_shot is None:
            return None
        if not METHODS[method].changes_encoder:
            raise ValueError(
                f"{method} leaves the encoder as it is, so that fine-tuning it again says nothing. "
                "Expected no --corpus and no --plan. Fix: leave them out, and use "
                "dlfa_spacy.MappedTokens.v1 on a frozen encoder."
            )
        return make_zero_shot_plan(self.zero_shot, encoder, str(out))


def report_alignment(
    settings: ReportSettings,
    title: str,
    encoder: str,
    out: Path,
    kept: Sequence[SentencePair],
    plan: Plan | None,
    quiet: bool,
) -> tuple[Report, list[Path]]:
    """Measure an encoder before and after, and write the report.

    settings (ReportSettings): What is measured.
    title (str): Of the report.
    encoder (str): The encoder before: its folder or Hub name.
    out (Path): The aligned one.
    kept (Sequence[SentencePair]): The pairs that were held out.
    plan (Optional[Plan]): See `ReportSettings.plan`.
    quiet (bool): Show no progress.
    RETURNS (Tuple[Report, List[Path]]): The report, and the files written.
    RAISES (ValueError): There is no text to measure with.
    """
    if settings.parallel is None:
        texts = by_language(kept)
    else:
        texts = read_linked_texts(
            settings.parallel, dictionaries=settings.dictionaries, limit=settings.limit
        )
    if not texts:
        raise ValueError(
            "There is no text to measure with: no pair was held out. Expected some. Fix: "
            "--held-out 100, or --eval-parallel FOLDER."
        )
    measures = compare(encoder, str(out), texts)
    report = Report(title, measures.retrieval, measures.cka)
    if plan is not None:
        report.source = plan.source
        report.zero_shot = zero_shot_rows(
            plan,
            settings.folder / "sweep",
            devices=[0 if torch.cuda.is_available() else -1],
            threads=torch.get_num_threads(),
            quiet=quiet,
        )
    return report, write_report(report, settings.folder, plot=settings.plot)
