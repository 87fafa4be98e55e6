"""How vectors are kept: the codes that they are searched by, the types that they are stored in."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast, get_args

from qdrant_client import models

Quantization: TypeAlias = Literal[
    "int8", "turbo8", "turbo4", "turbo2", "turbo1.5", "turbo1", "binary"
]
FullDatatype: TypeAlias = Literal["float16", "float32", "turbo16", "turbo8"]

FEWEST_BINARY = 512
"""Dimensions from which on the signs alone find a shortlist: of 128 they found 0.63 of it."""

CODE_BITS: Mapping[str | None, float] = {
    "int8": 8,
    "turbo8": 8,
    "turbo4": 4,
    "turbo2": 2,
    "turbo1.5": 1.5,
    "turbo1": 1,
    "binary": 1,
    None: 32,
}
"""Bits a number; without codes the searched vectors are float32 themselves."""

DATATYPE_BITS: Mapping[str, float] = {
    "float32": 32,
    "float16": 16,
    "turbo16": 16,
    "turbo8": 8,
    "turbo4": 4,
    "uint8": 8,
}
"""Bits a number of a stored vector."""

COARSE: frozenset[str] = frozenset({"turbo2", "turbo1.5", "turbo1", "binary"})
"""Codes that order a shortlist poorly, so that ranking it by the vectors themselves may pay."""

STORAGE_ERROR: Mapping[str, float] = {"turbo16": 1e-4, "turbo8": 0.015}
"""What a stored vector is off by at most, as a share of its length, where float16's is not enough.

Seen on vectors of 8 to 1,536 dimensions: below 5e-5 and 0.012.
"""

_TURBO_BITS = {
    "turbo8": models.TurboQuantBitSize.BITS8,
    "turbo4": models.TurboQuantBitSize.BITS4,
    "turbo2": models.TurboQuantBitSize.BITS2,
    "turbo1.5": models.TurboQuantBitSize.BITS1_5,
    "turbo1": models.TurboQuantBitSize.BITS1,
}
_TURBO_NAMES = {bits: name for name, bits in _TURBO_BITS.items()}
# Server versions that know them; seen on live servers and in the client's changes.
_TURBO_CODES_SINCE = (1, 18)
_TURBO_DATATYPES_SINCE = (1, 20)

Settings: TypeAlias = models.QuantizationConfig


def quantization_settings(codes: Quantization | None) -> Settings | None:
    """Build Qdrant's settings of codes in RAM; None for no codes."""
    if codes is None:
        return None
    if codes == "int8":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if codes == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    turbo = models.TurboQuantQuantizationConfig(bits=_TURBO_BITS[codes], always_ram=True)
    return models.TurboQuantization(turbo=turbo)


def codes_of(settings: Any) -> str | None:
    """Name the codes that Qdrant's settings, or a mapping of their fields, ask for.

    Returns:
        One of :data:`Quantization`, "product", or None for no codes.
    """
    if settings is None or settings == models.Disabled.DISABLED:
        return None
    given = settings if isinstance(settings, Mapping) else settings.model_dump(exclude_none=True)
    if "turbo" in given:
        bits = given["turbo"].get("bits") or models.TurboQuantBitSize.BITS4
        return _TURBO_NAMES[models.TurboQuantBitSize(bits)]
    kind: str = next(iter(given))
    return "int8" if kind == "scalar" else kind


def known_codes(settings: Settings | None) -> Quantization | None:
    """Return the codes of a collection as a layout has them; None for others, and for none."""
    codes = codes_of(settings)
    return cast("Quantization", codes) if codes in get_args(Quantization) else None


def datatype_of(params: models.VectorParams) -> FullDatatype:
    """Return the type that a collection's vectors are stored in, as a layout has it."""
    stored = params.datatype.value if params.datatype else "float32"
    return cast("FullDatatype", stored) if stored in get_args(FullDatatype) else "float32"


def written(codes: Quantization | None) -> str:
    """Write the settings of codes as Python, for a line that changes a collection."""
    if codes is None:
        return "models.Disabled.DISABLED"
    if codes == "int8":
        inner = "models.ScalarQuantizationConfig(type='int8', always_ram=True)"
        return f"models.ScalarQuantization(scalar={inner})"
    if codes == "binary":
        inner = "models.BinaryQuantizationConfig(always_ram=True)"
        return f"models.BinaryQuantization(binary={inner})"
    bits = _TURBO_BITS[codes].value
    inner = f"models.TurboQuantQuantizationConfig(bits={bits!r}, always_ram=True)"
    return f"models.TurboQuantization(turbo={inner})"


def oldest_server(codes: str | None, datatype: str) -> tuple[int, int] | None:
    """Return the version of the first server that has the codes and the type; None: any."""
    if datatype.startswith("turbo"):
        return _TURBO_DATATYPES_SINCE
    return _TURBO_CODES_SINCE if (codes or "").startswith("turbo") else None
