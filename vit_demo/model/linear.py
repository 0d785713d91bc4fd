"""Products of matrices, x·Wᵀ + b, by whichever of torch's two libraries is quicker on this processor.

On x86 torch multiplies in float32 with Intel's MKL, which runs on other makers' processors at less than half of what
they can do; oneDNN, which torch has beside it for convolutions, is as quick on all of them. Measured on two cores of
an AMD EPYC: MKL 0.21, oneDNN 0.48 Tflop/s. torch's own compiler calls the same operator
(pytorch/pytorch torch/_inductor/mkldnn_lowerings.py).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TRIED = 256, 384  # rows and width of the product that is tried
TRIES = 7
WORTH = 0.8  # of the usual library's time: where both are about as quick, the usual one stays


class Linear(nn.Linear):
    """nn.Linear, with the same numbers up to rounding. Where weights learn, it is torch's own way."""

    def forward(self, x: Tensor) -> Tensor:
        return product(x, self.weight, self.bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·Wᵀ + b, (…, out) from x (…, in) and W (out, in), as F.linear gives it."""
    learns = torch.is_grad_enabled() and weight.requires_grad
    if learns or not _is_plain(x, weight) or not onednn_is_quicker():
        return F.linear(x, weight, bias)
    return _Product.apply(x, weight, bias) if torch.is_grad_enabled() else _onednn(x, weight, bias)


class _Product(torch.autograd.Function):
    """The product with weights that do not learn: it passes on the gradient of x alone, ∂L/∂x = ∂L/∂y·W."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _onednn(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, of_output: Tensor) -> tuple[Tensor, None, None]:
        columns = ctx.saved_tensors[0].t()
        again = torch.is_grad_enabled()  # a second derivative is wanted
        return F.linear(of_output, columns) if again else _onednn(of_output, columns, None), None, None


@functools.cache
def onednn_is_quicker() -> bool:
    """Whether this processor multiplies quicker with oneDNN, tried once in a few milliseconds. False where torch was
    built without it."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    rows, width = TRIED
    x, weight, bias = torch.ones(rows, width), torch.ones(width, width), torch.ones(width)
    times: dict[Callable[..., Tensor], list[float]] = {F.linear: [], _onednn: []}
    with torch.inference_mode():
        for _ in range(TRIES):
            for product, taken in times.items():
                started = time.perf_counter()
                product(x, weight, bias)
                taken.append(time.perf_counter() - started)
    return min(times[_onednn]) < WORTH * min(times[F.linear])


def _is_plain(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN has a quick way: for weights with gaps in memory it has none; and whether nobody looks on who does
    not know its operator, such as an exporter."""
    single = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and weight.is_contiguous()
    return single and not (torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"))


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
