"""Linear: torch's own layer, by whichever library is quicker."""

import pytest
import torch
import torch.nn.functional as F

from vit_demo.model import linear
from vit_demo.model.linear import Linear

HAS_ONEDNN = torch.backends.mkldnn.is_available()
onednn = pytest.mark.skipif(not HAS_ONEDNN, reason="torch was built without oneDNN")


@pytest.fixture(autouse=True)
def by_onednn(monkeypatch, request):
    """Each test goes by oneDNN, whatever this processor would choose."""
    called = []

    def counted(x, weight, bias):
        called.append(x.shape)
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    if HAS_ONEDNN:
        monkeypatch.setattr(linear, "onednn_is_quicker", lambda: True)
        monkeypatch.setattr(linear, "_onednn", counted)
    return called


def layer(bias=True, learns=False, width=24, out=36):
    torch.manual_seed(3)
    return Linear(width, out, bias=bias).requires_grad_(learns)


@onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(24,), (5, 24), (2, 7, 24), (0, 24), (2, 0, 24)])
def test_numbers_of_float64(shape, bias, by_onednn):
    one, x = layer(bias), torch.randn(shape)
    exact = F.linear(x.double(), one.weight.double(), one.bias.double() if bias else None)
    with torch.inference_mode():
        torch.testing.assert_close(one(x).double(), exact, rtol=1e-5, atol=1e-5)
    assert by_onednn


@onednn
def test_rows_of_a_larger_tensor(by_onednn):
    one, tokens = layer(), torch.randn(2, 7, 48)
    for x in (tokens[:, 0, :24], tokens[:, ::2, 24:], tokens[..., :24].transpose(0, 1)):
        torch.testing.assert_close(one(x), F.linear(x.contiguous(), one.weight, one.bias), rtol=1e-5, atol=1e-5)
    assert len(by_onednn) == 3


@onednn
def test_gradient_of_the_input(by_onednn):
    one, x = layer(), torch.randn(2, 7, 24, requires_grad=True)
    torch.autograd.gradcheck(one.double(), (x.detach().double().requires_grad_(),))  # torch's own, in float64
    assert not by_onednn
    weights = torch.randn(2, 7, 36)
    (mine,) = torch.autograd.grad((one.float()(x) * weights).sum(), x)
    assert len(by_onednn) == 2
    torch.testing.assert_close(mine, weights @ one.weight, rtol=1e-5, atol=1e-5)


@onednn
def test_a_second_derivative():
    one, x = layer(), torch.randn(3, 24, requires_grad=True)
    (first,) = torch.autograd.grad(one(x).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    exact = one.double()
    y = x.detach().double().requires_grad_()
    (wanted,) = torch.autograd.grad(exact(y).pow(3).sum(), y, create_graph=True)
    (wanted,) = torch.autograd.grad(wanted.sum(), y)
    torch.testing.assert_close(second.double(), wanted, rtol=1e-4, atol=1e-4)


@onednn
def test_function_transforms():
    one, x = layer(), torch.randn(3, 24)
    of_x = torch.func.grad(lambda x: one(x).square().sum())(x)
    torch.testing.assert_close(of_x, 2 * F.linear(x, one.weight, one.bias) @ one.weight, rtol=1e-4, atol=1e-4)


@onednn
def test_an_exporter_meets_torchs_own_operator(by_onednn):
    exported = torch.export.export(layer(), (torch.randn(5, 24),))
    assert not by_onednn
    assert not [node for node in exported.graph.nodes if "mkldnn" in str(node.target)]


@onednn
def test_autocast_goes_torchs_way(by_onednn):
    with torch.autocast("cpu", torch.bfloat16):
        assert layer()(torch.randn(5, 24)).dtype == torch.bfloat16
    assert not by_onednn


@onednn
def test_weights_that_learn_get_their_gradients(by_onednn):
    one, x = layer(learns=True), torch.randn(5, 24)
    one(x).square().sum().backward()
    y = F.linear(x, one.weight, one.bias).detach()
    torch.testing.assert_close(one.weight.grad, 2 * y.T @ x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.bias.grad, 2 * y.sum(0), rtol=1e-4, atol=1e-4)
    assert not by_onednn


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_go_torchs_way(dtype, by_onednn):
    one, x = layer().to(dtype), torch.randn(5, 24, dtype=dtype)
    assert torch.equal(one(x), F.linear(x, one.weight, one.bias))
    assert not by_onednn


def test_weights_with_gaps_go_torchs_way(by_onednn):
    """oneDNN multiplies by them with its slowest code: a thousand times the time."""
    one, x = layer(), torch.randn(5, 24)
    one.weight.data = torch.randn(36, 48)[:, ::2]
    assert torch.equal(one(x), F.linear(x, one.weight, one.bias))
    assert not by_onednn


def test_without_onednn_torchs_way(monkeypatch, by_onednn):
    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    linear.onednn_is_quicker.cache_clear()
    one, x = layer(), torch.randn(5, 24)
    assert torch.equal(one(x), F.linear(x, one.weight, one.bias))
    linear.onednn_is_quicker.cache_clear()


@onednn
@pytest.mark.parametrize(("seconds", "quicker"), [((1.0, 0.5), True), ((1.0, 0.95), False), ((0.5, 1.0), False)])
def test_the_quicker_is_chosen_by_trying(seconds, quicker, monkeypatch):
    """A clock that each product advances by its own time."""
    monkeypatch.undo()
    now = [0.0]

    def taking(taken, product):
        def call(*args):
            now[0] += taken
            return product(*args)

        return call

    monkeypatch.setattr(linear.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(F, "linear", taking(seconds[0], F.linear))
    monkeypatch.setattr(linear, "_onednn", taking(seconds[1], linear._onednn))
    linear.onednn_is_quicker.cache_clear()
    assert linear.onednn_is_quicker() is quicker
    linear.onednn_is_quicker.cache_clear()
