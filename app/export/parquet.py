"""A dictionary as Parquet: one feature a row, its contexts nested."""

from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.export.jsonl import write_provenance
from app.export.source import ExportSource, Progress
from app.twins.feature import feature_json

ROWS_AT_ONCE = 256
FIRED = pa.list_(pa.struct([("position", pa.int32()), ("activation", pa.float32())]))
CONTEXT = pa.struct(
    [
        ("context", pa.int64()),
        ("document", pa.string()),
        ("start", pa.int64()),
        ("peak", pa.float32()),
        ("peak_position", pa.int32()),
        ("tokens", pa.list_(pa.string())),
        ("token_ids", pa.list_(pa.int32())),
        ("activations", FIRED),
    ]
)
BAND = pa.struct(
    [(name, pa.float32()) for name in ("low", "high", "share_of_firings", "share_of_activation")]
    + [("contexts", pa.list_(CONTEXT))]
)
CONTROL = pa.struct(
    [("context", pa.int64()), ("document", pa.string()), ("reason", pa.string()), ("related", pa.int64())]
)
EFFECT = pa.struct([("token_id", pa.int32()), ("token", pa.string()), ("effect", pa.float32())])
STATISTIC = pa.struct(
    [("token_id", pa.int32()), ("token", pa.string())]
    + [(name, pa.float32()) for name in ("recall", "precision", "lift", "mass", "low", "high")]
)
SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("tokens_fired", pa.int64()),
        ("contexts_fired", pa.int64()),
        ("documents_fired", pa.int64()),
        ("density", pa.float64()),
        ("mean", pa.float64()),
        ("peak", pa.float32()),
        ("histogram_edges", pa.list_(pa.float64())),
        ("histogram_counts", pa.list_(pa.int64())),
        ("top_contexts", pa.list_(CONTEXT)),
        ("bands", pa.list_(BAND)),
        ("controls", pa.list_(CONTROL)),
        ("promoted", pa.list_(EFFECT)),
        ("suppressed", pa.list_(EFFECT)),
        ("tokens", pa.list_(STATISTIC)),
        ("previous_tokens", pa.list_(STATISTIC)),
        ("next_tokens", pa.list_(STATISTIC)),
        ("neighbours", pa.list_(pa.struct([("index", pa.int64()), ("cosine", pa.float32())]))),
    ]
)


def write_parquet(source: ExportSource, folder: Path, on_progress: Progress) -> None:
    """`features.parquet`, and `provenance.json` with what holds for all of them."""
    write_provenance(source, folder)
    stream = source.features(on_progress)
    with pq.ParquetWriter(folder / "features.parquet", SCHEMA, compression="zstd") as writer:
        while rows := [_row(feature_json(each, source.vocabulary)) for each in islice(stream, ROWS_AT_ONCE)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """The JSON twin with its nested mappings laid out as columns."""
    statistics = values["token_statistics"]
    return {
        **values,
        **{name: values["counts"][name] for name in SCHEMA.names if name in values["counts"]},
        "histogram_edges": values["histogram"]["edges"],
        "histogram_counts": values["histogram"]["counts"],
        "top_contexts": [_context(context) for context in values["top_contexts"]],
        "bands": [
            {**band, "contexts": [_context(context) for context in band["contexts"]]}
            for band in values["bands"]["bands"]
        ],
        "tokens": statistics["token"],
        "previous_tokens": statistics["previous"],
        "next_tokens": statistics["next"],
    }


def _context(context: dict[str, Any]) -> dict[str, Any]:
    fired = [{"position": position, "activation": value} for position, value in context["activations"]]
    return {**context, "activations": fired}
