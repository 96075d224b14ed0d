"""The student's deep layers: narrower and fewer than the teacher's, and first filled with the teacher's own weights.

YamNet is a MobileNet of 14 layers. The student keeps layers 1-7 as they are (they hold 7 % of the weights) and
replaces layers 8-14, which hold most of the rest, by four, and the classifier by one of half the size. While it
learns, it also predicts the teacher's 1024 deep features, which is dropped later. What this module does not know:
sound.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mediapipe.tasks.metadata import schema_py_generated as schema
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SHALLOW_CHANNELS, DEEP_FEATURES, CLASSES = 512, 1024, 521
MOMENTUM = 0.02  # of batch normalisation
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A depthwise 3 × 3 and a pointwise convolution; `origin` is the teacher's layer that it is filled from."""

    channels: int
    stride: int
    origin: int


LAYERS = (Layer(512, 1, 8), Layer(512, 1, 12), Layer(704, 2, 13), Layer(512, 1, 14))

# Tensors of yamnet.tflite: (depthwise weight, depthwise bias, pointwise weight, pointwise bias) of each layer
_TENSORS = {8: (49, 26, 62, 27), 9: (50, 28, 63, 29), 10: (51, 30, 64, 31), 11: (52, 32, 65, 33)}
_TENSORS |= {12: (53, 34, 66, 35), 13: (54, 36, 67, 37), 14: (55, 38, 68, 39)}
_HEAD_WEIGHT = 69


@dataclass
class TeacherWeights:
    """The weights of the teacher's deep layers, as floats."""

    depthwise: dict[int, tuple[Array, Array]]  # layer -> (3 × 3 × channels, bias)
    pointwise: dict[int, tuple[Array, Array]]  # layer -> (out × in, bias)
    head: Array  # 521 × 1024

    @staticmethod
    def read(yamnet: Path) -> "TeacherWeights":
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(yamnet.read_bytes(), 0))

        def values(index: int) -> Array:
            tensor = model.subgraphs[0].tensors[index]
            data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.uint8)
            if tensor.type == schema.TensorType.FLOAT32:
                return data.view(np.float32).reshape(tensor.shape).copy()
            quantisation = tensor.quantization
            scale_shape = np.ones(len(tensor.shape), int)
            scale_shape[quantisation.quantizedDimension] = len(quantisation.scale)
            numbers = data.view(np.int8).reshape(tensor.shape).astype(np.float32)
            return numbers * np.asarray(quantisation.scale, np.float32).reshape(scale_shape)

        return TeacherWeights(
            {n: (values(t[0])[0], values(t[1])) for n, t in _TENSORS.items()},
            {n: (values(t[2])[:, 0, 0, :], values(t[3])) for n, t in _TENSORS.items()},
            values(_HEAD_WEIGHT),
        )


def rounded(weight: Tensor) -> Tensor:
    """The weight as int8 with one scale for each output channel will hold it; gradients pass unchanged."""
    scale = weight.detach().abs().flatten(1).amax(1).clamp_min(1e-9).view(-1, *[1] * (weight.ndim - 1)) / 127
    return weight + ((weight / scale).round() * scale - weight).detach()


class Separable(nn.Module):
    """Depthwise 3 × 3 and pointwise convolution, each with batch normalisation and ReLU6.

    Normalisation is a factor and a shift for each output channel, so it can be folded into the rounded weights.
    """

    def __init__(self, inputs: int, layer: Layer) -> None:
        super().__init__()
        self.stride = layer.stride
        self.depthwise = nn.Parameter(torch.zeros(inputs, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.zeros(layer.channels, inputs))
        self.depthwise_norm = nn.BatchNorm2d(inputs, momentum=MOMENTUM)
        self.pointwise_norm = nn.BatchNorm2d(layer.channels, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        # TensorFlow's SAME padding: with stride 2 and an even size, only right and bottom are padded.
        padded = functional.pad(x, (0, 1, 0, 1) if self.stride == 2 else (1, 1, 1, 1))
        spread = functional.conv2d(padded, rounded(self.depthwise), stride=self.stride, groups=len(self.depthwise))
        spread = functional.relu6(self.depthwise_norm(spread)).permute(0, 2, 3, 1)
        mixed = functional.linear(spread, rounded(self.pointwise)).permute(0, 3, 1, 2)
        return functional.relu6(self.pointwise_norm(mixed))

    def folded(self) -> tuple[Array, Array, Array, Array]:
        """Depthwise weight (channels × 3 × 3) and bias, pointwise weight (out × in) and bias."""
        found: list[Array] = []
        for weight, norm in ((self.depthwise[:, 0], self.depthwise_norm), (self.pointwise, self.pointwise_norm)):
            factor = norm.weight / torch.sqrt(norm.get_buffer("running_var") + norm.eps)
            bias = norm.bias - norm.get_buffer("running_mean") * factor
            found += [
                (weight * factor.view(-1, *[1] * (weight.ndim - 1))).detach().numpy(),
                bias.detach().numpy(),
            ]
        return found[0], found[1], found[2], found[3]


class Student(nn.Module):
    def __init__(self, layers: tuple[Layer, ...] = LAYERS) -> None:
        super().__init__()
        self.specification = layers
        widths = [SHALLOW_CHANNELS, *(layer.channels for layer in layers)]
        self.layers = nn.ModuleList(Separable(width, layer) for width, layer in zip(widths, layers, strict=False))
        self.head = nn.Linear(widths[-1], CLASSES)
        self.projection = nn.Linear(widths[-1], DEEP_FEATURES)

    def features(self, shallow: Tensor) -> Tensor:
        x = shallow
        for layer in self.layers:
            x = layer(x)
        return x.mean((2, 3))

    def forward(self, shallow: Tensor) -> tuple[Tensor, Tensor]:
        """From shallow features (batch × 512 × 6 × 4) to the teacher's deep features and logits."""
        features = self.features(shallow)
        with torch.autocast("cpu", enabled=False):
            return self.projection(features.float()), self.head(features.float())


@torch.no_grad()
def inherit(student: Student, teacher: TeacherWeights, shallow: Tensor, deep: Tensor, logits: Tensor) -> None:
    """Fill the student from the teacher; where it is narrower, the channels that matter most are kept.

    Some windows' shallow features, deep features and logits say which channels matter, how the first layer is
    normalised (it stays the teacher's), and with which linear head and projection to begin.
    """
    matters = {14: deep.std(0).numpy() * np.linalg.norm(teacher.head, axis=0)}
    shape, column = teacher.depthwise[14][0], teacher.pointwise[14][0]
    matters[13] = np.linalg.norm(shape, axis=(0, 1)) * np.linalg.norm(column * matters[14][:, None], axis=0)
    inputs = np.arange(SHALLOW_CHANNELS)
    for module, layer in zip(student.layers, student.specification, strict=True):
        assert isinstance(module, Separable)
        rank = matters.get(layer.origin, np.zeros(SHALLOW_CHANNELS, np.float32))
        kept = np.sort(np.argsort(-rank, kind="stable")[: layer.channels])
        spatial, mixing = teacher.depthwise[layer.origin][0], teacher.pointwise[layer.origin][0]
        module.depthwise.copy_(torch.from_numpy(spatial[:, :, inputs].transpose(2, 0, 1)[:, None].copy()))
        module.pointwise.copy_(torch.from_numpy(mixing[np.ix_(kept, inputs)]))
        inputs = kept
    first = student.layers[0]
    assert isinstance(first, Separable)
    for norm, old_bias in (
        (first.depthwise_norm, teacher.depthwise[8][1]),
        (first.pointwise_norm, teacher.pointwise[8][1]),
    ):
        for module in student.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        student.train()
        student.features(shallow)
        norm.weight.copy_(torch.sqrt(norm.get_buffer("running_var") + norm.eps))
        norm.bias.copy_(norm.get_buffer("running_mean") + torch.from_numpy(old_bias))
    known = torch.cat([student.features(shallow), torch.ones(len(shallow), 1)], 1)
    gram = known.T @ known
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    for linear, target in ((student.projection, deep), (student.head, logits)):
        solved = torch.linalg.solve(gram + ridge, known.T @ target)
        linear.weight.copy_(solved[:-1].T)
        linear.bias.copy_(solved[-1])
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
