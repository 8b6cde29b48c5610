"""Which variants the stand-in can be, by the name that the model server is started with."""

from __future__ import annotations

from emulator.stand_in import bedrock
from emulator.stand_in.open_weights import Open
from emulator.stand_in.optimized import Optimized
from emulator.stand_in.variant import Variant

VARIANTS: dict[str, Variant] = {
    "optimized": Optimized(),
    "open": Open(),
    "bedrock-sdxl": bedrock.Sdxl(),
    "bedrock-stable-image": bedrock.Successor(),
    "bedrock-sd3-5": bedrock.Sd35(),
    "bedrock-inpaint": bedrock.Inpaint(),
}
"""A model source of another shape is one more class and one more name here."""
