"""Step 4: write the student as a TFLite file that MediaPipe's AudioClassifier loads like YamNet.

Takes the teacher's file, keeps its front end and shallow layers bit by bit, puts the student's deep layers in place of
the teacher's (int8 weights, one scale for each output channel, float activations) and carries over MediaPipe's
metadata: 16 kHz, mono, the label list. No TensorFlow is needed: the file format's schema comes with mediapipe.
What this module does not know: whether the student is any good (evaluate.py).

    python -m training.yamnet_mini.export STUDENT.pt yamnet-mini.tflite --yamnet yamnet.tflite
"""

import argparse
import os
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import torch
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema
from numpy.typing import NDArray

from .student import Separable, Student
from .teacher import SHALLOW

NAME = "yamnet-mini"
DESCRIPTION = "A small student of YAMNet: its first layers, and distilled ones in place of the others."
CONVOLUTION, DEPTHWISE, MEAN, DENSE, LOGISTIC = -4, -5, -3, -2, -1  # the teacher's last operators
MEAN_AXES = 1  # a tensor of the teacher
DEQUANTISE_VERSION = 5  # the first that knows a scale for each channel


class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose bytes begin at a multiple of 16, as the format asks."""

    def Pack(self, builder: Any) -> int:
        if self.data is None:
            return int(super().Pack(builder))
        raw = bytes(self.data)
        builder.StartVector(1, len(raw), 16)
        builder.head = builder.head - len(raw)
        builder.Bytes[builder.head : builder.head + len(raw)] = raw
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


class Graph:
    """The teacher's graph, cut off after the shallow layers, and what is put on top of it."""

    def __init__(self, yamnet: bytes) -> None:
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(yamnet, 0))
        self.graph = self.model.subgraphs[0]
        self.patterns = {i: self.graph.operators[i] for i in (CONVOLUTION, DEPTHWISE, MEAN, DENSE, LOGISTIC)}
        first_deep = next(i for i, operator in enumerate(self.graph.operators) if SHALLOW in operator.inputs)
        self.graph.operators = self.graph.operators[:first_deep]
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
        code.version = DEQUANTISE_VERSION
        self.model.operatorCodes.append(code)
        self.dequantise = len(self.model.operatorCodes) - 1

    def tensor(self, name: str, shape: tuple[int, ...], data: NDArray[Any] | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, np.array(shape, np.int32), 0
        tensor.type = schema.TensorType.FLOAT32
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def weight(self, name: str, values: NDArray[np.float32], channel_axis: int) -> int:
        """A float weight, stored as int8 with one scale for each output channel.

        The teacher computes with int8 weights and rounds activations as it goes; a weight that is unpacked once, when
        the model is loaded, costs no more space and leaves the activations exact.
        """
        others = tuple(i for i in range(values.ndim) if i != channel_axis)
        scale = np.abs(values).max(others, keepdims=True) / 127 + 1e-12
        index = self.tensor(name, values.shape, np.clip(np.rint(values / scale), -127, 127).astype(np.int8))
        self.graph.tensors[index].type = schema.TensorType.INT8
        quantisation = schema.QuantizationParametersT()
        quantisation.scale = scale.ravel().astype(np.float32)
        quantisation.zeroPoint = np.zeros(scale.size, np.int64)
        quantisation.quantizedDimension = channel_axis
        self.graph.tensors[index].quantization = quantisation
        plain = self.tensor(f"{name}/float", values.shape)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.dequantise
        operator.inputs, operator.outputs = np.array([index], np.int32), np.array([plain], np.int32)
        self.graph.operators.append(operator)
        return plain

    def apply(self, pattern: int, inputs: list[int], output: int, stride: int | None = None) -> int:
        """Append an operator like one of the teacher's."""
        like, operator = self.patterns[pattern], schema.OperatorT()
        operator.opcodeIndex, operator.builtinOptionsType = like.opcodeIndex, like.builtinOptionsType
        operator.builtinOptions = like.builtinOptions
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if stride is not None:
            options = schema.DepthwiseConv2DOptionsT()
            options.__dict__.update(vars(like.builtinOptions))
            options.strideW = options.strideH = stride
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return output

    def drop_unused(self) -> None:
        """Forget the tensors and buffers that no operator uses any more."""
        used = sorted({int(i) for o in self.graph.operators for i in (*o.inputs, *o.outputs)})
        number = {old: new for new, old in enumerate(used)}
        self.graph.tensors = [self.graph.tensors[i] for i in used]
        for operator in self.graph.operators:
            operator.inputs = np.array([number[int(i)] for i in operator.inputs], np.int32)
            operator.outputs = np.array([number[int(i)] for i in operator.outputs], np.int32)
        self.graph.inputs = np.array([number[int(i)] for i in self.graph.inputs], np.int32)
        self.graph.outputs = np.array([number[int(i)] for i in self.graph.outputs], np.int32)
        self.model.metadata = [m for m in self.model.metadata if m.name != b"CONVERSION_METADATA"]
        old_buffers, self.model.buffers = self.model.buffers, [schema.BufferT()]
        for holder in (*self.graph.tensors, *self.model.metadata):
            data = old_buffers[holder.buffer].data
            if data is None:
                holder.buffer = 0
                continue
            buffer = AlignedBuffer()
            buffer.data = data
            self.model.buffers.append(buffer)
            holder.buffer = len(self.model.buffers) - 1

    def rename(self) -> None:
        """Say in the metadata whose weights these are."""
        entry = next(m for m in self.model.metadata if m.name == b"TFLITE_METADATA")
        packed = bytes(self.model.buffers[entry.buffer].data)
        about = metadata_schema.ModelMetadataT.InitFromObj(
            metadata_schema.ModelMetadata.GetRootAsModelMetadata(packed, 0)
        )
        about.name, about.description = NAME, DESCRIPTION
        builder = flatbuffers.Builder(0)
        builder.Finish(about.Pack(builder), b"M001")
        self.model.buffers[entry.buffer].data = np.frombuffer(bytes(builder.Output()), np.uint8)
        self.model.description, self.model.signatureDefs = DESCRIPTION, []

    def pack(self) -> bytes:
        builder = flatbuffers.Builder(0)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def build(student: Student, scale: float, shift: float, yamnet: bytes) -> bytes:
    graph = Graph(yamnet)
    x, height, width = SHALLOW, 6, 4
    for i, (module, layer) in enumerate(zip(student.layers, student.specification, strict=True)):
        assert isinstance(module, Separable)
        spatial, spatial_bias, mixing, mixing_bias = module.folded()
        inputs, outputs = len(spatial), layer.channels
        height, width = height // layer.stride, width // layer.stride
        weight = graph.weight(f"deep{i}/depthwise", spatial.transpose(1, 2, 0)[None], 3)
        bias = graph.tensor(f"deep{i}/depthwise_bias", (inputs,), spatial_bias)
        spread = graph.tensor(f"deep{i}/spread", (1, height, width, inputs))
        x = graph.apply(DEPTHWISE, [x, weight, bias], spread, layer.stride)
        weight = graph.weight(f"deep{i}/pointwise", mixing[:, None, None, :], 0)
        bias = graph.tensor(f"deep{i}/pointwise_bias", (outputs,), mixing_bias)
        x = graph.apply(CONVOLUTION, [x, weight, bias], graph.tensor(f"deep{i}", (1, height, width, outputs)))
    x = graph.apply(MEAN, [x, MEAN_AXES], graph.tensor("mean", (1, outputs)))
    head, head_bias = student.head.weight.detach().numpy(), student.head.bias.detach().numpy()
    weight = graph.weight("head", head * np.float32(scale), 0)
    bias = graph.tensor("head_bias", head_bias.shape, head_bias * np.float32(scale) + np.float32(shift))
    logits = graph.apply(DENSE, [x, weight, bias], graph.tensor("logits", (1, len(head_bias))))
    scores = graph.apply(LOGISTIC, [logits], graph.tensor("scores", (1, len(head_bias))))
    graph.graph.outputs = np.array([scores], np.int32)
    graph.rename()
    graph.drop_unused()
    return graph.pack()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("student", type=Path)
    parser.add_argument("model", type=Path, help="file to write")
    parser.add_argument("--yamnet", type=Path, required=True)
    arguments = parser.parse_args()
    stored = torch.load(arguments.student)
    student = Student()
    student.load_state_dict(stored["student"])
    temporary = arguments.model.with_suffix(".part")
    temporary.write_bytes(build(student, stored["scale"], stored["shift"], arguments.yamnet.read_bytes()))
    with zipfile.ZipFile(arguments.yamnet) as teacher, zipfile.ZipFile(temporary, "a", zipfile.ZIP_STORED) as archive:
        for name in teacher.namelist():
            archive.writestr(zipfile.ZipInfo(name), teacher.read(name))
    os.replace(temporary, arguments.model)
    print(f"{arguments.model}: {arguments.model.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
