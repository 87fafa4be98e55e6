"""How the short vectors of a point are named."""

import re

# A size and, where short vectors are rotated, the rotation's id: no two kinds can be mixed up.
SHORT_NAME = re.compile(r"short_(\d+)(?:_([0-9a-f]{12}))?")


def short_name(stage: int, rotation_id: str | None) -> str:
    """Name a short vector.

    Args:
        stage: Its size.
        rotation_id: Which rotation made it; None for a plain slice.
    """
    return f"short_{stage}" if rotation_id is None else f"short_{stage}_{rotation_id}"
