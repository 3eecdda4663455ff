"""Hugging Face datasets as ``save_to_disk`` writes them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from foils.errors import DataError, MissingExtra


def is_saved(folder: Path) -> bool:
    """True for a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def load(folder: Path) -> dict[str, pl.DataFrame]:
    """The splits of a saved dataset as frames; a dataset without splits is under the empty name.

    Raises:
        DataError: the folder cannot be loaded.
        MissingExtra: ``datasets`` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "hf", f"reading the saved dataset {folder.name}") from None
    try:
        saved = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder.name} is no complete saved dataset: {str(error).splitlines()[0]}") from None
    splits = saved if isinstance(saved, datasets.DatasetDict) else {"": saved}
    return {str(name): _frame(data) for name, data in splits.items()}


def _frame(data: object) -> pl.DataFrame:
    frame = data.with_format(None).to_polars()  # type: ignore[attr-defined]
    return frame if isinstance(frame, pl.DataFrame) else pl.concat(list(frame))
