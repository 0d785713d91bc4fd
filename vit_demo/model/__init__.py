"""One readable Vision Transformer, for every plain ViT from Dosovitskiy et al. 2021 to DINOv3.

Read in this order: config (what can vary) · position (where a token is) · attention · block · vit (the forward pass) ·
trace (what a forward pass leaves behind) · editing (what is changed in a pass on request) · linear (x·Wᵀ + b, quickly).

Letters in shapes, the same everywhere:

    B  pictures in the batch          N  tokens = p prefix tokens + Gh·Gw patches
    H, W  picture height, width       p  prefix tokens: class, distillation, registers, in this order
    P  patch side                     Gh, Gw  patch grid, rows and columns
    D  width of the model             h, d  heads, width of a head (h·d = D in most models)
    L  layers
"""

from vit_demo.model.config import RopeConfig, ViTConfig
from vit_demo.model.trace import Heads, LayerTrace, Trace
from vit_demo.model.vit import Encoded, VisionTransformer

__all__ = ["Encoded", "Heads", "LayerTrace", "RopeConfig", "Trace", "ViTConfig", "VisionTransformer"]
