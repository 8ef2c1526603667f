"""The same network, faster: where the arithmetic of the readable layers is arranged.

Public names: ``Form``, ``set_form``, ``FastModulation``, ``FastMlp``,
``FastPatchEmbed``.

Nearly all of the time goes into products of matrices, which no arrangement makes
fewer; what can be saved is memory traffic around them. On a CPU a tensor of the first
stage (8 x 56 x 56 tokens of 96 channels: 10 MB) fits into no fast cache, and fresh
memory for it costs more than one addition of all its numbers. So

- every tensor has its channels last, from the pixels to the head, and convolutions
  read it as it lies;
- f gives query, context and gates in three products, each of them whole: parts of one
  product would lie between each other, and a convolution would copy them first;
- a gated sum is one pass per level, and added to the memory of the first one; where no
  derivative is asked for, GELU and the last products write over their input, too;
- the MLP, whose hidden tensor has four times the channels, goes through the tokens in
  pieces that stay in the cache.

Weights, their names and the results (to rounding) are those of the readable layers,
of which these are children. Where somebody listens to a part of a layer by a hook, or
has put another module in its place, the layer computes as the readable one does: what
a hook sees is always what the readable layer would show. ``torch.func.vmap`` over some
of the weights, the others alone, needs the readable form: there one result cannot be
written over another.

Source: the measurements in ``benchmarks/network_speed.py``.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import ModelError
from .layers import Mlp, PatchEmbed
from .modulation import SpatioTemporalFocalModulation, TemporalConv1d

Form = Literal["fast", "readable"]
# Numbers of the hidden tensor of an MLP made at a time: 4 MB in float32, so that they
# are still in the cache when the next layer reads them.
_PIECE = 2**20
_PLAIN = (nn.Linear, nn.Conv2d, TemporalConv1d, nn.GELU, nn.Sequential, nn.ModuleList)


class FastModulation(SpatioTemporalFocalModulation):
    """``SpatioTemporalFocalModulation``, arranged for speed; the same equation."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> (B, T, H, W, C)."""
        if not _as_built(self):
            return super().forward(x)
        levels = self.focal_levels + 1
        q, context, gates = _parts(self.f, x, (self.dim, self.dim, levels))
        z, g = context.flatten(0, 1), gates.flatten(0, 1)  # (B*T, H, W, .)
        m_space = _modulator(self.focal_layers, self.h, z, g, over=(1, 2))
        context, gates = _parts(self.f_temporal, x, (self.dim, levels))
        z, g = context.flatten(2, 3), gates.flatten(2, 3)  # (B, T, H*W, .)
        m_time = _modulator(self.focal_layers_temporal, self.h_temporal, z, g, (1,))
        m_space, m_time = m_space.view_as(q), m_time.view_as(q)  # (B, T, H, W, C)
        if _free():
            y = q.mul_(m_space).mul_(m_time)
        else:
            y = q * m_space * m_time
        return _product(y, self.proj.weight, self.proj.bias)


class FastMlp(Mlp):
    """``Mlp``, one piece of the tokens after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        tokens = x.flatten(0, -2)  # (N, C)
        piece = max(1, _PIECE // self.fc1.out_features)
        # A GPU is fastest in one piece, and a compiler wants it so.
        on_cpu = x.device.type in ("cpu", "meta")
        in_pieces = on_cpu and not torch.compiler.is_compiling()
        if not in_pieces or len(tokens) <= piece or not _as_built(self):
            return super().forward(x)
        pieces = []
        for part in tokens.split(piece):
            hidden = _gelu(_product(part, self.fc1.weight, self.fc1.bias))
            pieces.append(_product(hidden, self.fc2.weight, self.fc2.bias))
        return torch.cat(pieces).view_as(x)  # (..., C)


class FastPatchEmbed(PatchEmbed):
    """``PatchEmbed`` whose result has its channels last, whatever its input has."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C_in) -> (B, T, H // patch, W // patch, C_out)."""
        if not _as_built(self):
            return super().forward(x)
        clips = x.shape[:2]
        x = x.flatten(0, 1).permute(0, 3, 1, 2)  # (B*T, C_in, H, W)
        # A convolution's result lies as its weights do: these are small, x is not.
        weight = self.proj.weight.contiguous(memory_format=torch.channels_last)
        x = F.conv2d(x, weight, self.proj.bias, self.proj.stride)
        x = x.permute(0, 2, 3, 1)  # (B*T, H', W', C_out)
        return self.norm(x).unflatten(0, clips)  # (B, T, H', W', C_out)


_FAST = {
    SpatioTemporalFocalModulation: FastModulation,
    Mlp: FastMlp,
    PatchEmbed: FastPatchEmbed,
}
_READABLE = {fast: readable for readable, fast in _FAST.items()}


def set_form(model: nn.Module, form: Form) -> nn.Module:
    """Let a network's layers compute in one form or the other; the network itself.

    Nothing is copied: the layers keep their weights, hooks and names, and are given
    another class.

    Args:
        model: a ``VFLNet``, or a module that holds layers of one.
        form: "fast" or "readable".

    Raises:
        ModelError: another form.
    """
    if form not in get_args(Form):
        raise ModelError(f"a form is 'fast' or 'readable', not {form!r}")
    classes = _FAST if form == "fast" else _READABLE
    for module in model.modules():
        if type(module) in classes:
            module.__class__ = classes[type(module)]
    return model


def _as_built(layer: nn.Module) -> bool:
    """Whether a layer's parts are what it was built of, and nobody listens to them."""
    for part in layer.modules():
        if part is layer:
            continue
        listens = (
            part._forward_hooks
            or part._forward_pre_hooks
            or part._backward_hooks
            or part._backward_pre_hooks
        )
        if type(part) not in _PLAIN or listens or "forward" in vars(part):
            return False
    return True


def _free() -> bool:
    """Whether memory may be used again: no derivative will ask for what was there."""
    return not torch.is_grad_enabled()


def _gelu(x: Tensor) -> Tensor:
    """GELU of a tensor that nobody else needs, in its own memory where possible."""
    return torch.ops.aten.gelu_(x) if _free() else F.gelu(x)


def _parts(layer: nn.Linear, x: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """A linear layer's outputs in parts of the given sizes, each (..., size)."""
    weights, biases = layer.weight.split(sizes), layer.bias.split(sizes)
    return [_product(x, w, b) for w, b in zip(weights, biases, strict=True)]


def _product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear``: (..., C_in) -> (..., C_out).

    As a convolution of kernel size 1, which on a CPU goes to oneDNN: its products are
    faster than those that ``F.linear`` gets there, most so for few channels.
    """
    on_cpu = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)
    if not on_cpu or torch.compiler.is_compiling():
        return F.linear(x, weight, bias)
    rows = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)  # (1, C_in, N, 1)
    y = F.conv2d(rows, weight[:, :, None, None], bias)  # (1, C_out, N, 1)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)  # (..., C_out)


def _modulator(
    layers: nn.ModuleList,
    h: nn.Conv2d | TemporalConv1d,
    z: Tensor,
    gates: Tensor,
    over: tuple[int, ...],
) -> Tensor:
    """``h`` of ``modulation.summarise``: contexts of all levels, summed by their gates.

    ``z``: z_0, (N, ., ., C); ``gates``: (N, ., ., L + 1); the global context is the
    mean over the dimensions ``over``. Returns (N, ., ., C).
    """
    total = None
    for level, (convolution, _) in enumerate(layers):
        z = convolution(z.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (N, ., ., C)
        z = _gelu(z)
        gate = gates[..., level : level + 1]
        total = z * gate if total is None else total.addcmul_(z, gate)
    # The mean is taken with the channels last, so that its derivative lies so too.
    mean = F.gelu(z.mean(dim=over, keepdim=True))
    total = total.addcmul_(mean, gates[..., -1:])
    # A convolution of kernel size 1 is a linear layer.
    return _product(total, h.weight.flatten(1), h.bias)
